/*
 * The services that lockdownd starts. Each runs in its own thread until its
 * link ends; lockdown.c has the table name → function.
 */
#ifndef SERVICES_H
#define SERVICES_H

struct link;
struct phone;

typedef void (*service_fn)(struct phone *ph, struct link *l);

void lockdown_serve(struct phone *ph, struct link *l);
void np_serve(struct phone *ph, struct link *l);
void afc_serve(struct phone *ph, struct link *l);
void instproxy_serve(struct phone *ph, struct link *l);
void sbservices_serve(struct phone *ph, struct link *l);
void diagnostics_serve(struct phone *ph, struct link *l);
void heartbeat_serve(struct phone *ph, struct link *l);
void agent_serve(struct phone *ph, struct link *l); /* mobilebackup2 */

#endif
