/*
 * phonesim: simulated iPhones behind a usbmuxd socket; README.md lists what
 * it understands. `phonesim ctl SOCKET COMMAND…` talks to a running one.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "log.h"
#include "phone_set.h"
#include "script.h"
#include "usb_front.h"
#include "usb_ip.h"
#include "usbmuxd.h"

struct main_args {
	const char *socket, *control, *state, *script;
	const char *cable, *redir, *usbip;
	const char *phones[PHONE_SET_MAX];
	int phone_count;
};

static const char main_usage[] =
    "usage: phonesim --socket PATH --state DIR [--control PATH]\n"
    "                [--cable PATH] [--usbredir PATH] [--usbip ADDRESS:PORT]\n"
    "                [--phone KEY=VALUE,…|none]… [--script FILE] [--verbose]\n"
    "       phonesim ctl CONTROL-SOCKET COMMAND…\n"
    "One of --socket, --cable, --usbredir and --usbip is needed.\n"
    "Without --phone one phone of default make is plugged in.\n";

static int main_parse(int argc, char **argv, struct main_args *a)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "control", required_argument, NULL, 'c' },
		{ "cable", required_argument, NULL, 'b' },
		{ "usbredir", required_argument, NULL, 'r' },
		{ "usbip", required_argument, NULL, 'i' },
		{ "state", required_argument, NULL, 'd' },
		{ "phone", required_argument, NULL, 'p' },
		{ "script", required_argument, NULL, 'f' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's')
			a->socket = optarg;
		else if (c == 'c')
			a->control = optarg;
		else if (c == 'b')
			a->cable = optarg;
		else if (c == 'r')
			a->redir = optarg;
		else if (c == 'i')
			a->usbip = optarg;
		else if (c == 'd')
			a->state = optarg;
		else if (c == 'f')
			a->script = optarg;
		else if (c == 'v')
			log_set_level(LOG_LEVEL_DEBUG);
		else if (c == 'p' && a->phone_count < PHONE_SET_MAX)
			a->phones[a->phone_count++] = optarg;
		else
			return -1;
	}
	if (!a->socket && !a->cable && !a->redir && !a->usbip)
		return -1;
	return a->state && optind == argc ? 0 : -1;
}

static int main_add_phones(struct phone_set *set, const struct main_args *a)
{
	char err[256];

	if (a->phone_count == 0 && !phone_set_add(set, "", err, sizeof(err)))
		goto fail;
	for (int i = 0; i < a->phone_count; i++) {
		if (strcmp(a->phones[i], "none") == 0)
			continue;
		if (!phone_set_add(set, a->phones[i], err, sizeof(err)))
			goto fail;
	}
	return 0;
fail:
	fprintf(stderr, "phonesim: %s\n", err);
	return -1;
}

/* Lives until a signal, `quit`, or the end of a script that says so. */
static int main_run(const struct main_args *a, const sigset_t *signals)
{
	struct phone_set *set = phone_set_new(a->state);
	struct control *control = NULL;
	struct usbmuxd *mux = NULL;
	struct usb_front *cable = NULL, *redir = NULL;
	struct usb_ip *usbip = NULL;
	struct script *script = NULL;
	int rc = 1, sig;

	if (!set)
		return 1;
	if (a->socket)
		mux = usbmuxd_new(set, a->socket);
	if (a->cable)
		cable = usb_front_new(set, USB_FRONT_CABLE, a->cable);
	if (a->redir)
		redir = usb_front_new(set, USB_FRONT_REDIR, a->redir);
	if (a->usbip)
		usbip = usb_ip_new(set, a->usbip);
	if ((a->usbip && !usbip) || (a->socket && !mux) ||
	    (a->cable && !cable) || (a->redir && !redir) ||
	    main_add_phones(set, a))
		goto out;
	if (a->control) {
		control = control_new(set, a->control);
		if (!control)
			goto out;
	}
	printf("phonesim: ready socket=%s\n", a->socket ? a->socket : "none");
	fflush(stdout);
	if (a->script) {
		script = script_start(set, a->script);
		if (!script)
			goto out;
	}
	sigwait(signals, &sig);
	rc = script ? script_failed(script) : 0;
out:
	control_close_events(set);
	usbmuxd_free(mux);
	usb_front_free(cable);
	usb_front_free(redir);
	usb_ip_free(usbip);
	control_free(control);
	script_free(script);
	phone_set_free(set);
	return rc;
}

int main(int argc, char **argv)
{
	struct main_args args = { 0 };
	sigset_t signals;

	if (argc >= 3 && strcmp(argv[1], "ctl") == 0)
		return control_client(argv[2], argc - 3, argv + 3);
	if (main_parse(argc, argv, &args)) {
		fputs(main_usage, stderr);
		return 2;
	}
	/* Threads inherit the mask: signals come to sigwait() alone. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	return main_run(&args, &signals);
}
