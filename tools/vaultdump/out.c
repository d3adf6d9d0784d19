#include "out.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void begin(struct out *o, const char *key)
{
	if (o->comma[o->depth])
		fputs(",\n", stdout);
	o->comma[o->depth] = true;
	if (key)
		printf("\"%s\":", key); /* our own words */
}

void out_open(struct out *o, const char *key, char bracket)
{
	if (!o->json)
		return;
	begin(o, key);
	putchar(bracket);
	if (o->depth + 1 < sizeof(o->comma) / sizeof(o->comma[0]))
		o->depth++;
	o->comma[o->depth] = false;
}

void out_close(struct out *o, char bracket)
{
	if (!o->json)
		return;
	if (o->depth > 0)
		o->depth--;
	putchar(bracket);
	if (o->depth == 0)
		putchar('\n');
}

void out_item(struct out *o, const char *key, cJSON *item)
{
	char *text = o->json ? cJSON_PrintUnformatted(item) : NULL;

	if (o->json) {
		begin(o, key);
		fputs(text ? text : "null", stdout);
	}
	cJSON_free(text);
	cJSON_Delete(item);
}

void out_text(struct out *o, const char *fmt, ...)
{
	va_list ap;

	if (o->json)
		return;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
}
