/*
 * The roles that run as children of the box: each in a process of its own, a
 * fork and exec of this very program, joined to its parent by one
 * SOCK_SEQPACKET socket (msg.h). Their return is the process's exit status.
 */
#ifndef ROLE_H
#define ROLE_H

/* The argument that makes main() a role; not for people. */
#define ROLE_ARG "--role"
/* Where a role finds its socket. */
#define ROLE_FD 3
/* Where it finds the ring of its log lines, if it was given one. */
#define ROLE_RING_FD 4

/* One backup of one phone, or the census of a vault. */
int role_session(int fd);
/* Tells a phone's time, and when it is unlocked. */
int role_watch(int fd);
/* Drives the phones on the cable, or follows who does; args: muxplan.h. */
int role_usbmux(int fd, int argc, char **argv);
/* Reads a part of the backups again. */
int role_scrub(int fd);
/* Finds and mounts the disk: argv[0] is where, argv[1] the disk that the box
 * has started from, argv[2] the box's own folder. */
int role_disk(int fd, int argc, char **argv);
/* Joins the Wi-Fi that it is told. */
int role_wifi(int fd);
/* A new firmware: argv[0] is look, install, receive, take or confirm. */
int role_update(int fd, int argc, char **argv);
/* Serves the page: argv[0] is the network port's kind, then address, port. */
int role_web(int fd, int argc, char **argv);

#endif
