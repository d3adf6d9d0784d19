/* Property lists; see pl.h. */
#include "pl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bounds.h"
#include "link.h"

#define PL_DEPTH_MAX 64
#define PL_FILE_MAX  (64l << 20)

void pl_set(plist_t dict, const char *key, plist_t value)
{
	plist_dict_set_item(dict, key, value);
}

void pl_set_str(plist_t dict, const char *key, const char *value)
{
	pl_set(dict, key, plist_new_string(value));
}

void pl_set_int(plist_t dict, const char *key, uint64_t value)
{
	pl_set(dict, key, plist_new_uint(value));
}

void pl_set_bool(plist_t dict, const char *key, bool value)
{
	pl_set(dict, key, plist_new_bool(value));
}

void pl_set_real(plist_t dict, const char *key, double value)
{
	pl_set(dict, key, plist_new_real(value));
}

void pl_set_data(plist_t dict, const char *key, const void *p, size_t n)
{
	pl_set(dict, key, plist_new_data(p, n));
}

/* The item when it has the wanted type. */
static plist_t pl_item(plist_t dict, const char *key, plist_type type)
{
	plist_t n;

	if (!dict || plist_get_node_type(dict) != PLIST_DICT)
		return NULL;
	n = plist_dict_get_item(dict, key);
	if (!n || plist_get_node_type(n) != type)
		return NULL;
	return n;
}

const char *pl_str(plist_t dict, const char *key)
{
	plist_t n = pl_item(dict, key, PLIST_STRING);

	return n ? plist_get_string_ptr(n, NULL) : NULL;
}

int64_t pl_int(plist_t dict, const char *key, int64_t def)
{
	plist_t n = pl_item(dict, key, PLIST_UINT);
	uint64_t v;

	if (!n)
		return def;
	plist_get_uint_val(n, &v);
	return (int64_t)v;
}

bool pl_bool(plist_t dict, const char *key, bool def)
{
	plist_t n = pl_item(dict, key, PLIST_BOOLEAN);
	uint8_t v;

	if (!n)
		return def;
	plist_get_bool_val(n, &v);
	return v;
}

const char *pl_data(plist_t dict, const char *key, size_t *n)
{
	plist_t node = pl_item(dict, key, PLIST_DATA);
	uint64_t len = 0;
	const char *p;

	if (!node)
		return NULL;
	p = plist_get_data_ptr(node, &len);
	*n = (size_t)len;
	return p;
}

plist_t pl_sub(plist_t dict, const char *key)
{
	return pl_item(dict, key, PLIST_DICT);
}

/* --- the XML writer --------------------------------------------------------
 */

static void xml_node(FILE *f, plist_t node, int depth);

static void xml_indent(FILE *f, int depth)
{
	for (int i = 0; i < depth; i++)
		fputc('\t', f);
}

static void xml_text(FILE *f, const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '&':
			fputs("&amp;", f);
			break;
		case '<':
			fputs("&lt;", f);
			break;
		case '>':
			fputs("&gt;", f);
			break;
		default:
			fputc(*s, f);
		}
	}
}

static void xml_base64(FILE *f, const unsigned char *p, uint64_t n)
{
	static const char abc[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "abcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned v = (unsigned)p[0] << 16;

	if (n > 1)
		v |= (unsigned)p[1] << 8;
	if (n > 2)
		v |= p[2];
	fputc(abc[v >> 18], f);
	fputc(abc[v >> 12 & 63], f);
	fputc(n > 1 ? abc[v >> 6 & 63] : '=', f);
	fputc(n > 2 ? abc[v & 63] : '=', f);
}

/* Lines of base64 stand at the tag's own indent and end before column 76, a
 * tab counted as eight. */
static void xml_data(FILE *f, plist_t node, int depth)
{
	uint64_t n = 0;
	const char *s = plist_get_data_ptr(node, &n);
	const unsigned char *p = (const unsigned char *)s;
	int indent = depth < 8 ? depth : 8;
	uint64_t line = (uint64_t)(76 - 8 * indent) / 4 * 3;

	fputs("<data>\n", f);
	for (uint64_t i = 0; i < n; i += 3) {
		if (i % line == 0)
			xml_indent(f, indent);
		xml_base64(f, p + i, n - i);
		if ((i + 3) % line == 0 || i + 3 >= n)
			fputc('\n', f);
	}
	xml_indent(f, depth);
	fputs("</data>\n", f);
}

static int xml_by_key(const void *a, const void *b)
{
	const char *const *x = a;
	const char *const *y = b;

	return strcmp(*x, *y);
}

static void xml_dict(FILE *f, plist_t node, int depth)
{
	uint32_t n = plist_dict_get_size(node), got = 0;
	plist_dict_iter it = NULL;
	char **keys;

	if (n == 0) {
		fputs("<dict/>\n", f);
		return;
	}
	keys = calloc(n, sizeof(*keys));
	if (!keys)
		return;
	plist_dict_new_iter(node, &it);
	for (plist_t v = NULL; got < n; got++) {
		plist_dict_next_item(node, it, &keys[got], &v);
		if (!v)
			break;
	}
	free(it);
	qsort(keys, got, sizeof(*keys), xml_by_key);
	fputs("<dict>\n", f);
	for (uint32_t i = 0; i < got; i++) {
		xml_indent(f, depth + 1);
		fputs("<key>", f);
		xml_text(f, keys[i]);
		fputs("</key>\n", f);
		xml_node(f, plist_dict_get_item(node, keys[i]), depth + 1);
		free(keys[i]);
	}
	free(keys);
	xml_indent(f, depth);
	fputs("</dict>\n", f);
}

static void xml_array(FILE *f, plist_t node, int depth)
{
	uint32_t n = plist_array_get_size(node);

	if (n == 0) {
		fputs("<array/>\n", f);
		return;
	}
	fputs("<array>\n", f);
	for (uint32_t i = 0; i < n; i++)
		xml_node(f, plist_array_get_item(node, i), depth + 1);
	xml_indent(f, depth);
	fputs("</array>\n", f);
}

static void xml_date(FILE *f, plist_t node)
{
	int32_t sec = 0, usec = 0;
	struct tm tm;
	time_t t;

	plist_get_date_val(node, &sec, &usec);
	t = (time_t)sec + 978307200; /* since 2001-01-01 */
	gmtime_r(&t, &tm);
	fprintf(f, "<date>%04d-%02d-%02dT%02d:%02d:%02dZ</date>\n",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
	    tm.tm_sec);
}

/* The shortest decimal that reads back as the same number. */
static void xml_real(FILE *f, plist_t node)
{
	char buf[40];
	double v = 0;

	plist_get_real_val(node, &v);
	for (int digits = 6; digits <= 17; digits++) {
		snprintf(buf, sizeof(buf), "%.*g", digits, v);
		if (strtod(buf, NULL) >= v && strtod(buf, NULL) <= v)
			break;
	}
	fprintf(f, "<real>%s</real>\n", buf);
}

static void xml_scalar(FILE *f, plist_t node, plist_type type)
{
	uint64_t u = 0;
	uint8_t b = 0;

	if (type == PLIST_BOOLEAN) {
		plist_get_bool_val(node, &b);
		fputs(b ? "<true/>\n" : "<false/>\n", f);
	} else if (type == PLIST_UINT) {
		plist_get_uint_val(node, &u);
		fprintf(f, "<integer>%lld</integer>\n", (long long)u);
	} else if (type == PLIST_REAL) {
		xml_real(f, node);
	} else if (type == PLIST_DATE) {
		xml_date(f, node);
	} else if (type == PLIST_STRING) {
		fputs("<string>", f);
		xml_text(f, plist_get_string_ptr(node, NULL));
		fputs("</string>\n", f);
	} else {
		fputs("<string></string>\n", f); /* nothing we ever send */
	}
}

static void xml_node(FILE *f, plist_t node, int depth)
{
	plist_type type = plist_get_node_type(node);

	xml_indent(f, depth);
	if (depth > PL_DEPTH_MAX)
		fputs("<string></string>\n", f);
	else if (type == PLIST_DICT)
		xml_dict(f, node, depth);
	else if (type == PLIST_ARRAY)
		xml_array(f, node, depth);
	else if (type == PLIST_DATA)
		xml_data(f, node, depth);
	else
		xml_scalar(f, node, type);
}

char *pl_xml(plist_t node, size_t *n)
{
	char *buf = NULL;
	FILE *f = open_memstream(&buf, n);

	if (!f)
		return NULL;
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	      "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
	      "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
	      "<plist version=\"1.0\">\n",
	    f);
	xml_node(f, node, 0);
	fputs("</plist>\n", f);
	if (fclose(f)) {
		free(buf);
		return NULL;
	}
	return buf;
}

plist_t pl_parse(const char *p, size_t n)
{
	plist_t out = NULL;

	if (n >= 8 && memcmp(p, "bplist00", 8) == 0)
		plist_from_bin(p, (uint32_t)n, &out);
	else if (n > 0)
		plist_from_xml(p, (uint32_t)n, &out);
	if (out && plist_get_node_type(out) != PLIST_DICT) {
		plist_free(out);
		out = NULL;
	}
	return out;
}

/* --- files -----------------------------------------------------------------
 */

plist_t pl_load(const char *path)
{
	FILE *f = fopen(path, "rb");
	plist_t out = NULL;
	char *buf = NULL;
	long n;

	if (!f)
		return NULL;
	if (fseek(f, 0, SEEK_END) || (n = ftell(f)) < 0 || n > PL_FILE_MAX ||
	    fseek(f, 0, SEEK_SET))
		goto out;
	buf = malloc((size_t)n + 1);
	if (!buf || fread(buf, 1, (size_t)n, f) != (size_t)n)
		goto out;
	buf[n] = 0;
	out = pl_parse(buf, (size_t)n);
out:
	free(buf);
	fclose(f);
	return out;
}

int pl_save(const char *path, plist_t node)
{
	char tmp[1100], *buf;
	size_t n = 0;
	FILE *f;
	int rc = -1;

	snprintf(tmp, sizeof(tmp), "%s.new", path);
	buf = pl_xml(node, &n);
	f = fopen(tmp, "wb");
	if (buf && f)
		rc = fwrite(buf, 1, n, f) == n ? 0 : -1;
	if (f && fclose(f))
		rc = -1;
	if (!rc)
		rc = rename(tmp, path);
	free(buf);
	return rc;
}

/* --- frames ----------------------------------------------------------------
 */

int pl_recv(struct link *l, plist_t *out)
{
	unsigned char head[4];
	char *buf;
	size_t n;

	*out = NULL;
	if (link_read(l, head, 4))
		return -1;
	n = (size_t)head[0] << 24 | (size_t)head[1] << 16 |
	    (size_t)head[2] << 8 | head[3];
	if (n == 0 || n > LIMIT_LOCKDOWN_MESSAGE)
		return -1;
	buf = malloc(n + 1);
	if (!buf)
		return -1;
	if (!link_read(l, buf, n)) {
		buf[n] = 0;
		*out = pl_parse(buf, n);
	}
	free(buf);
	return *out ? 0 : -1;
}

static int pl_send(struct link *l, const char *buf, size_t n)
{
	unsigned char head[4] = { (unsigned char)(n >> 24),
		(unsigned char)(n >> 16), (unsigned char)(n >> 8),
		(unsigned char)n };

	if (!buf || link_write(l, head, 4))
		return -1;
	return link_write(l, buf, n);
}

int pl_send_xml(struct link *l, plist_t node)
{
	size_t n = 0;
	char *buf = pl_xml(node, &n);
	int rc = pl_send(l, buf, n);

	free(buf);
	plist_free(node);
	return rc;
}

int pl_send_bin(struct link *l, plist_t node)
{
	char *buf = NULL;
	uint32_t n = 0;
	int rc;

	plist_to_bin(node, &buf, &n);
	rc = pl_send(l, buf, n);
	free(buf);
	plist_free(node);
	return rc;
}
