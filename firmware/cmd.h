/* The commands; each returns an exit status of outcome.h. */
#ifndef CMD_H
#define CMD_H

#include "cli.h"

int cmd_run(const struct cli *cli);
int cmd_backup(const struct cli *cli);
int cmd_password(const struct cli *cli);
/* `password --test` */
int password_test(const struct cli *cli);
int cmd_status(const struct cli *cli);
int cmd_list(const struct cli *cli);
int cmd_prune(const struct cli *cli);
int cmd_dismiss(const struct cli *cli);
int cmd_pin(const struct cli *cli);
int cmd_verify(const struct cli *cli);
int cmd_disk(const struct cli *cli);
int cmd_adopt(const struct cli *cli);
int cmd_repair(const struct cli *cli);
int cmd_scrub(const struct cli *cli);
int cmd_files(const struct cli *cli);
int cmd_legend(const struct cli *cli);
int cmd_update(const struct cli *cli);
int cmd_states(const struct cli *cli);

#endif
