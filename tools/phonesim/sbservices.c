/* springboardservices: icons, as small PNGs made here (protocols.md 7.3). */
#include <stdlib.h>
#include <string.h>

#include "link.h"
#include "phone_private.h"
#include "pl.h"

#define ICON_SIDE 60
#define ICON_ROW  (1 + ICON_SIDE) /* filter byte, one palette index a pixel */
#define ICON_RAW  (ICON_ROW * ICON_SIDE)

/* --- a PNG with one stored block ------------------------------------------
 */

struct png {
	unsigned char buf[ICON_RAW + 256];
	size_t n;
};

static void png_byte(struct png *p, unsigned v)
{
	p->buf[p->n++] = (unsigned char)v;
}

static void png_be32(struct png *p, uint32_t v)
{
	for (int i = 3; i >= 0; i--)
		png_byte(p, v >> 8 * i & 255);
}

static uint32_t png_crc(const unsigned char *p, size_t n)
{
	uint32_t c = 0xffffffff;

	while (n-- > 0) {
		c ^= *p++;
		for (int k = 0; k < 8; k++)
			c = c & 1 ? 0xedb88320 ^ c >> 1 : c >> 1;
	}
	return c ^ 0xffffffff;
}

/* Begins a chunk of n bytes; png_end() closes it. */
static size_t png_begin(struct png *p, const char *type, size_t n)
{
	size_t at;

	png_be32(p, (uint32_t)n);
	at = p->n;
	memcpy(p->buf + p->n, type, 4);
	p->n += 4;
	return at;
}

static void png_end(struct png *p, size_t at)
{
	png_be32(p, png_crc(p->buf + at, p->n - at));
}

static void png_pixels(struct png *p)
{
	uint32_t a = 1, b = 0;

	for (int i = 0; i < ICON_RAW; i++) {
		int x = i % ICON_ROW - 1, y = i / ICON_ROW;
		int dx = 2 * x - ICON_SIDE + 1, dy = 2 * y - ICON_SIDE + 1;
		unsigned v = x >= 0 && dx * dx + dy * dy < 1600;

		png_byte(p, v);
		a = (a + v) % 65521;
		b = (b + a) % 65521;
	}
	png_be32(p, b << 16 | a);
}

static void png_icon(struct png *p, uint32_t color)
{
	static const unsigned char magic[8] = { 0x89, 'P', 'N', 'G', '\r', '\n',
		0x1a, '\n' };
	size_t at;

	memcpy(p->buf, magic, sizeof(magic));
	p->n = sizeof(magic);
	at = png_begin(p, "IHDR", 13);
	png_be32(p, ICON_SIDE);
	png_be32(p, ICON_SIDE);
	png_byte(p, 8); /* bits */
	png_byte(p, 3); /* palette */
	png_byte(p, 0);
	png_byte(p, 0);
	png_byte(p, 0);
	png_end(p, at);
	at = png_begin(p, "PLTE", 6);
	for (int i = 0; i < 3; i++)
		png_byte(p, color >> 8 * i & 255);
	for (int i = 0; i < 3; i++)
		png_byte(p, 255);
	png_end(p, at);
	at = png_begin(p, "IDAT", ICON_RAW + 11);
	png_byte(p, 0x78);
	png_byte(p, 0x01);
	png_byte(p, 1); /* last block, stored */
	png_byte(p, ICON_RAW & 255);
	png_byte(p, ICON_RAW >> 8);
	png_byte(p, ~ICON_RAW & 255);
	png_byte(p, ~ICON_RAW >> 8 & 255);
	png_pixels(p);
	png_end(p, at);
	png_end(p, png_begin(p, "IEND", 0));
}

/* --- the service ----------------------------------------------------------
 */

static void icon_add(plist_t reply, const char *bundle)
{
	struct png *p = malloc(sizeof(*p));
	uint32_t color = 0x5b8def;

	if (!p)
		return;
	for (; bundle && *bundle; bundle++)
		color = color * 31 + (unsigned char)*bundle;
	png_icon(p, color);
	pl_set_data(reply, "pngData", p->buf, p->n);
	free(p);
}

static int sbservices_turn(struct link *l)
{
	plist_t req = NULL, reply;
	const char *command;

	if (pl_recv(l, &req))
		return -1;
	reply = plist_new_dict();
	command = pl_str(req, "command");
	if (!command)
		pl_set_str(reply, "Error", "MissingCommand");
	else if (strcmp(command, "getIconPNGData") == 0)
		icon_add(reply, pl_str(req, "bundleId"));
	else if (strcmp(command, "getHomeScreenWallpaperPNGData") == 0)
		icon_add(reply, "wallpaper");
	else if (strcmp(command, "getInterfaceOrientation") == 0)
		pl_set_int(reply, "interfaceOrientation", 1);
	else
		pl_set_str(reply, "Error", "UnknownCommand");
	plist_free(req);
	return pl_send_bin(l, reply);
}

void sbservices_serve(struct phone *ph, struct link *l)
{
	(void)ph;
	while (sbservices_turn(l) == 0)
		;
}
