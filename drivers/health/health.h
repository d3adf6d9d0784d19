/*
 * How the machine is: warm, and does its power supply hold? From what the
 * kernel tells in /sys; a machine that tells nothing is a healthy one.
 */
#ifndef HEALTH_H
#define HEALTH_H

#include <stdbool.h>

struct health {
	bool has_temperature;
	int temperature_c; /* of the processor, whole degrees Celsius */
	bool has_power; /* the board watches its supply */
	bool weak_power; /* below 4.63 V at some time since the last look */
	int supply_ma; /* what the supply says that it can give; 0 unknown */
	int usb_limit_ma; /* what all USB ports share; 0: no limit known */
};

/*
 * Reads some small files of `sys` ("/sys"); blocks no longer than that takes.
 *
 * The temperature is of the warmest thermal zone that is the processor's. The
 * supply is what the Raspberry Pi's firmware reports through the driver
 * raspberrypi-hwmon (`rpi_volt`, `in0_lcrit_alarm`). What it can give, and
 * whether USB is held to the low limit, a Pi 5's firmware writes into the device
 * tree (/chosen/power: max_current, usb_max_current_enable; 32 bits, big endian)
 * as it starts.
 */
void health_probe(const char *sys, struct health *out);

#endif
