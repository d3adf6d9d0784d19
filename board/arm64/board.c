#include "board.h"

const struct board board = {
	.id = "arm64",
	.name = "nightstand",
	.state_dir = "/data",
	.vault_dir = "/disk/backups",
	.led_backend = "none",
	.led_dir = "/sys/class/leds",
	.led_ok = "",
	.led_alert = "",
	.button = "auto",
	.nic = "packet",
	.interface = "auto",
	.listen = "127.0.0.1",
	.port = 80,
	.watchdog = "",
	.sets_clock = true,
	.leds = {
		/* on pins, by the overlay nightstand-leds */
		{ "status:green", "status:red" },
		/* a Raspberry Pi's own, by the kernel's names */
		{ "ACT", "PWR" },
		{ "ACT", "" },
		{ "green:status", "" },
	},
	.card_label = "NIGHTSTAND",
	.data_label = "nightstand-data",
};
