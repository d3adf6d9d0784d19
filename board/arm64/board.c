#include "board.h"

const struct board board = {
	.id = "arm64",
	.name = "nightstand",
	.state_dir = "/data",
	.vault_dir = "/disk",
	.led_backend = "none",
	.led_dir = "/sys/class/leds",
	.led_ok = "",
	.led_alert = "",
	.nic = "packet",
	.interface = "",
	.listen = "127.0.0.1",
	.port = 80,
	.watchdog = "",
};
