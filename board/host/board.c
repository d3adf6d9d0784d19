#include "board.h"

const struct board board = {
	.id = "host",
	.name = "nightstand",
	.state_dir = "",
	.vault_dir = "",
	.led_backend = "terminal",
	.led_dir = "/sys/class/leds",
	.led_ok = "",
	.led_alert = "",
	.button = "none",
	.nic = "slirp",
	.interface = "",
	.listen = "127.0.0.1",
	.port = 8080,
	.watchdog = "",
};
