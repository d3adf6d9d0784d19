/* What a Wi-Fi's password and a country may be. Pure. */
#ifndef WIFI_RULES_H
#define WIFI_RULES_H

/* IEEE 802.11, annex J: a passphrase has 8 to 63 characters of ASCII. NULL, or
 * why not, in words; "" is none, and fine. */
const char *wifi_refuses_password(const char *v);

/* ISO 3166: two capitals; "" is fine. */
const char *wifi_refuses_country(const char *v);

#endif
