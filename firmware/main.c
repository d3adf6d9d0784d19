/*
 * nightstand: the firmware of a box that backs up iPhones, and the same for a
 * PC, by hand. This file finds the command; roles are in role.h.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "init.h"
#include "log.h"
#include "log_ring.h"
#include "outcome.h"
#include "role.h"

static int cmd_version(const struct cli *cli)
{
	(void)cli;
	printf("nightstand %s\n", NIGHTSTAND_VERSION);
	return EXIT_DONE;
}

static int cmd_help(const struct cli *cli);

/* clang-format off */
static const struct cli_command commands[] = {
{ "run", cmd_run,
	CLI_CONFIG | CLI_VAULT | CLI_STATE | CLI_NO_WEB | CLI_PORT | CLI_LOG |
	CLI_LED | CLI_PRINT_CONFIG,
	"be the box: wait for phones, back them up, show the light and the page",
	"Speaks to phones on USB itself (root), or through usbmuxd where that "
	"is installed;\nUSBMUXD_SOCKET_ADDRESS names another socket. Ends on SIGTERM or Ctrl-C; a running backup goes on "
	"next time." },
{ "backup", cmd_backup,
	CLI_CONFIG | CLI_VAULT | CLI_STATE | CLI_UDID | CLI_FULL | CLI_WAIT |
	CLI_LOG,
	"back up one iPhone, once",
	"Waits for a phone when none is there and says what the phone wants.\n"
	"Ends with 0 only when the backup is complete, read back from the "
	"disk and committed;\n`nightstand help exit` lists the other "
	"statuses. Ctrl-C cancels; nothing is lost by it." },
{ "password", cmd_password,
	CLI_CONFIG | CLI_VAULT | CLI_UDID | CLI_WAIT | CLI_OFF | CLI_TEST |
	CLI_SNAPSHOT | CLI_LOG,
	"switch encrypted backups on or off, change or try their password",
	"iOS puts Health, saved passwords and more only into encrypted "
	"backups. Asks for the words\non the terminal, or reads them from a "
	"pipe, a line each: the password that the phone has\nnow, if it has "
	"one, then the new one (not with --off). The phone may ask for its "
	"passcode.\nThe next backup is a full one; older ones keep the "
	"password that they were made with.\nNothing stores a password: "
	"whoever loses it can open none of those backups.\n--test tries one on the "
	"newest backup that is kept, or on --snapshot N: do you still know "
	"it?\nExit statuses: 0 "
	"done, 20 the old password is wrong, 11 the passcode was not entered, "
	"15 unplugged." },
{ "status", cmd_status, CLI_CONFIG | CLI_VAULT | CLI_STATE | CLI_JSON,
	"what the box says, or what the vault holds when no box runs", NULL },
{ "list", cmd_list, CLI_CONFIG | CLI_VAULT | CLI_UDID | CLI_JSON,
	"list the backups of each phone", NULL },
{ "snapshots", cmd_list, CLI_CONFIG | CLI_VAULT | CLI_UDID | CLI_JSON, NULL,
	NULL },
{ "verify", cmd_verify,
	CLI_CONFIG | CLI_VAULT | CLI_UDID | CLI_SNAPSHOT | CLI_QUICK |
	CLI_READ_DATA | CLI_JSON,
	"read backups again and compare every file with its hash",
	"All snapshots, or one; what several share is read once. Names each "
	"damaged file, the\nsnapshots that need it, and when it was last seen "
	"whole. Runs beside a backup." },
{ "scrub", cmd_scrub,
	CLI_CONFIG | CLI_VAULT | CLI_UDID | CLI_MINUTES | CLI_GIB | CLI_JSON,
	"read the next part of the backups again; repair what has a copy",
	"Goes on where the last one stopped, so that everything is read within "
	"a bounded number\nof nights. The box does it by itself after a "
	"backup. What has no other copy on the disk\nis fetched from the phone "
	"at its next backup." },
{ "adopt", cmd_adopt,
	CLI_CONFIG | CLI_VAULT | CLI_UDID | CLI_COPY | CLI_LOG | CLI_FOLDER,
	"take over a backup that idevicebackup2, Finder or iTunes has made",
	"FOLDER is one backup, or a folder of backups (…/MobileSync/Backup). It "
	"is checked and\nread through once, then moved into the vault by "
	"renaming: it must lie on the vault's\nfile system (or say --copy), "
	"and the vault must hold no backup of that phone yet.\nWhatever goes "
	"wrong, the folder is as it was. The next backup is an incremental "
	"one." },
{ "disk", cmd_disk, CLI_CONFIG | CLI_VAULT | CLI_JSON | CLI_LOG,
	"try out whether a disk can hold backups, and what its format costs",
	"Makes a few small files there and removes them again. Ends with 0 "
	"when the disk fits." },
{ "files", cmd_files,
	CLI_CONFIG | CLI_VAULT | CLI_UDID | CLI_SNAPSHOT | CLI_JSON,
	"list the files of a backup: BLAKE3, size, path, where it lies",
	NULL },
{ "prune", cmd_prune,
	CLI_CONFIG | CLI_VAULT | CLI_STATE | CLI_UDID | CLI_DRY_RUN | CLI_JSON,
	"let go of the old backups that no rule keeps",
	"The rules are the section [keep] of the config, as `nightstand help "
	"config` tells it;\neach backup does the same at its end. The two "
	"newest good backups and pinned ones always stay." },
{ "dismiss", cmd_dismiss,
	CLI_CONFIG | CLI_VAULT | CLI_STATE | CLI_UDID | CLI_UNPIN,
	"you have seen that a phone holds much less than before",
	"The warning goes. The older backup stays pinned, out of the rules' "
	"reach, until --unpin." },
{ "pin", cmd_pin, CLI_CONFIG | CLI_STATE,
	"the PIN of the page",
	"It stands in PIN.txt of the state folder. To have a new one made, "
	"delete that file and\nstart the box again." },
{ "repair", cmd_repair,
	CLI_CONFIG | CLI_VAULT | CLI_STATE | CLI_UDID | CLI_FORCE |
	CLI_DRY_RUN | CLI_JSON | CLI_LOG,
	"make a lost or broken catalogue anew",
	"From the box's copy (--state DIR), from the rows that can still be "
	"read, and from what\nlies on the disk. The files of backups are only "
	"read; the broken catalogue is kept\naside. With --force each file's "
	"bytes are read, whatever its size and time say.\nExit status 41: not "
	"all is whole; what is missing is said." },
{ "update", cmd_update, CLI_FILE | CLI_KEY,
	"look at an update of a box's firmware: is it whole, who signed it",
	"FILE is what `make update` makes, or a box is offered. It is read "
	"and installed nowhere.\nThe keys are those of this build, or --key; "
	"exit status 40: it can't be used." },
{ "legend", cmd_legend, CLI_SVG | CLI_LABEL,
	"what the light says", NULL },
{ "states", cmd_states, CLI_WORDS,
	"the box's state machine as a Mermaid diagram, or its words", NULL },
{ "version", cmd_version, 0, "print the version", NULL },
{ "help", cmd_help, 0, "this; help COMMAND, help exit, help config", NULL },
};
/* clang-format on */

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct cli_command *find_command(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static void help_all(FILE *out)
{
	fprintf(out, "Backs up an iPhone to a disk, whole and checked, every "
		     "night.\n\nusage: nightstand COMMAND [OPTIONS]\n\n");
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (commands[i].summary)
			fprintf(out, "  %-10s %s\n", commands[i].name,
			    commands[i].summary);
	fprintf(out, "\n`nightstand help COMMAND` tells its options.\n");
}

static void help_one(const struct cli_command *cmd)
{
	/* Another name of the command before it. */
	if (!cmd->summary)
		cmd--;
	printf("usage: nightstand %s%s [OPTIONS]\n\n%s.\n", cmd->name,
	    cmd->options & CLI_FOLDER ? " FOLDER"
	    : cmd->options & CLI_FILE ? " FILE"
				      : "",
	    cmd->summary);
	if (cmd->details)
		printf("%s\n", cmd->details);
	printf("\n");
	cli_print_options(cmd, stdout);
}

static int cmd_help(const struct cli *cli)
{
	const struct cli_command *cmd;

	if (!cli->word) {
		help_all(stdout);
		return EXIT_DONE;
	}
	if (!strcmp(cli->word, "exit")) {
		outcome_print_exits(stdout);
		return EXIT_DONE;
	}
	if (!strcmp(cli->word, "config")) {
		config_help(stdout);
		return EXIT_DONE;
	}
	cmd = find_command(cli->word);
	if (!cmd) {
		fprintf(stderr, "nightstand: no command %s\n", cli->word);
		return EXIT_USAGE;
	}
	help_one(cmd);
	return EXIT_DONE;
}

/* nightstand --role NAME ARGS… */
static int run_role(int argc, char **argv)
{
	const char *name = argc > 2 ? argv[2] : "";
	struct log_ring *ring;

	log_set_tag(name);
	if (!log_ring_join(ROLE_RING_FD, &ring))
		log_ring_use(ring);
	if (!strcmp(name, "session"))
		return role_session(ROLE_FD);
	if (!strcmp(name, "watch"))
		return role_watch(ROLE_FD);
	if (!strcmp(name, "usbmux"))
		return role_usbmux(ROLE_FD, argc - 3, argv + 3);
	if (!strcmp(name, "scrub"))
		return role_scrub(ROLE_FD);
	if (!strcmp(name, "disk"))
		return role_disk(ROLE_FD, argc - 3, argv + 3);
	if (!strcmp(name, "wifi"))
		return role_wifi(ROLE_FD);
	if (!strcmp(name, "update"))
		return role_update(ROLE_FD, argc - 3, argv + 3);
	if (!strcmp(name, "web"))
		return role_web(ROLE_FD, argc - 3, argv + 3);
	return EXIT_USAGE;
}

static int run_command(const struct cli_command *cmd, int argc, char **argv)
{
	static struct cli cli;
	int status = cli_parse(cmd, argc, argv, &cli);

	if (status)
		return status;
	if (cli.help) {
		help_one(cmd);
		return EXIT_DONE;
	}
	if (cli.word && cmd->run != cmd_help &&
	    !(cmd->options & (CLI_FOLDER | CLI_FILE))) {
		fprintf(stderr, "nightstand: too many words: %s\n", cli.word);
		return EXIT_USAGE;
	}
	log_set_level(cli.config.log);
	if (cli.print_config) {
		config_print(&cli.config, stdout);
		return EXIT_DONE;
	}
	return cmd->run(&cli);
}

int main(int argc, char **argv)
{
	const struct cli_command *cmd;

	if (argc > 0 && !strcmp(argv[0], "/init") && getpid() == 1)
		return init_main();
	if (argc > 1 && !strcmp(argv[1], ROLE_ARG))
		return run_role(argc, argv);
	if (argc < 2) {
		help_all(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		help_all(stdout);
		return EXIT_DONE;
	}
	if (!strcmp(argv[1], "--version"))
		return cmd_version(NULL);
	cmd = find_command(argv[1]);
	if (!cmd) {
		fprintf(stderr, "nightstand: no command %s\n", argv[1]);
		help_all(stderr);
		return EXIT_USAGE;
	}
	return run_command(cmd, argc - 1, argv + 1);
}
