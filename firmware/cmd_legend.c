/* `legend` and `states`: printed from the one table of each. */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "led_pattern.h"
#include "outcome.h"
#include "phone_fsm.h"
#include "words.h"

#define ROW_PX   34
#define LEFT_PX  44
#define TIME_PX  300
#define SHOWN_MS 6000 /* what one strip shows */

static void legend_text(void)
{
	for (int i = 0; i < LED_PATTERN_COUNT_; i++) {
		const struct led_grammar *g = led_grammar((enum led_pattern)i);

		printf("  %-32s %-6s  %s\n", g->rhythm, g->colour, g->says);
	}
}

/* The level over time as one shape: blinks are blocks, breaths are slopes. */
static void svg_strip(
    const struct led_grammar *g, int x0, int y0, bool has_edge)
{
	double x = x0;
	double scale = (double)TIME_PX / SHOWN_MS;
	int ms = 0;

	printf("<path d=\"M%d %d", x0, y0 + 18);
	for (unsigned i = 0; ms < SHOWN_MS; i = (i + 1) % g->n_steps) {
		const struct led_step *s = &g->steps[i];
		int left = SHOWN_MS - ms;
		int len = s->ms < left ? s->ms : left;
		double to = s->from + (double)(s->to - s->from) * len / s->ms;

		printf("L%.1f %.1f", x, y0 + 18 - s->from * 18.0 / 255);
		x += len * scale;
		printf("L%.1f %.1f", x, y0 + 18 - to * 18.0 / 255);
		ms += len;
	}
	printf("L%.1f %dZ\" fill=\"url(#c%02x%02x%02x)\"%s/>\n", x, y0 + 18,
	    g->rgb[0], g->rgb[1], g->rgb[2],
	    has_edge ? " stroke=\"#505055\" stroke-width=\"0.6\"" : "");
}

static void svg_gradient(const struct led_grammar *g)
{
	printf("<linearGradient id=\"c%02x%02x%02x\"><stop "
	       "stop-color=\"#%02x%02x%02x\"/></linearGradient>\n",
	    g->rgb[0], g->rgb[1], g->rgb[2], g->rgb[0], g->rgb[1], g->rgb[2]);
}

/* One gradient a colour: the strips name it. */
static void svg_gradients(void)
{
	printf("<defs>\n");
	for (int i = 0; i < LED_PATTERN_COUNT_; i++) {
		const struct led_grammar *g = led_grammar((enum led_pattern)i);
		int k = 0;

		while (memcmp(led_grammar((enum led_pattern)k)->rgb, g->rgb,
			   sizeof(g->rgb)) != 0)
			k++;
		if (k == i)
			svg_gradient(g);
	}
	printf("</defs>\n");
}

/* How it is shown: on a screen, or printed, where black costs ink and a
 * printer wants millimetres. */
struct look {
	const char *ground, *ink, *faint;
	int text_px; /* room for the words */
	double scale; /* millimetres of a pixel; 0: pixels */
	const char *edge;
};

static const struct look on_screen = { "#1c1c1e", "#f2f2f7", "#98989f", 420, 0,
	"" };
static const struct look on_paper = { "#ffffff", "#000000", "#505055", 320,
	0.125, " stroke=\"#888\" stroke-dasharray=\"6 4\"" };

static void svg_begin(const struct look *look, int width, int height)
{
	printf("<svg xmlns=\"http://www.w3.org/2000/svg\" ");
	if (look->scale > 0)
		printf("width=\"%.1fmm\" height=\"%.1fmm\"",
		    width * look->scale, height * look->scale);
	else
		printf("width=\"%d\" height=\"%d\"", width, height);
	printf(" viewBox=\"0 0 %d %d\" font-family=\"system-ui, "
	       "sans-serif\" font-size=\"14\">\n",
	    width, height);
	printf("<title>What the light says</title>\n");
	printf("<rect width=\"%d\" height=\"%d\" rx=\"12\" fill=\"%s\"%s/>"
	       "\n",
	    width, height, look->ground, look->edge);
}

/* White light on white paper has only an edge. */
static void svg_row(const struct look *look, const struct led_grammar *g, int y)
{
	printf("<circle cx=\"24\" cy=\"%d\" r=\"7\" "
	       "fill=\"#%02x%02x%02x\"%s/>\n",
	    y + 11, g->rgb[0], g->rgb[1], g->rgb[2],
	    look->scale > 0 ? " stroke=\"#505055\"" : "");
	svg_strip(g, LEFT_PX, y + 2, look->scale > 0);
	printf("<text x=\"%d\" y=\"%d\" fill=\"%s\">%s</text>\n",
	    LEFT_PX + TIME_PX + 18, y + 10, look->ink, g->says);
	printf("<text x=\"%d\" y=\"%d\" fill=\"%s\" font-size=\"11\">%s, "
	       "%s</text>\n",
	    LEFT_PX + TIME_PX + 18, y + 24, look->faint, g->rhythm, g->colour);
}

static void legend_svg(const struct look *look)
{
	svg_begin(look, LEFT_PX + TIME_PX + look->text_px,
	    ROW_PX * LED_PATTERN_COUNT_ + 28);
	svg_gradients();
	for (int i = 0; i < LED_PATTERN_COUNT_; i++)
		svg_row(
		    look, led_grammar((enum led_pattern)i), 14 + ROW_PX * i);
	printf("</svg>\n");
}

int cmd_legend(const struct cli *cli)
{
	if (cli->svg || cli->label)
		legend_svg(cli->label ? &on_paper : &on_screen);
	else
		legend_text();
	return EXIT_DONE;
}

static void words_table(void)
{
	printf("| state | what is | what to do | light |\n"
	       "| --- | --- | --- | --- |\n");
	for (int i = 0; i < STATE_COUNT_; i++) {
		struct words_row r = words_row((enum status_state)i);

		printf("| `%s` | %s | %s | %s |\n",
		    status_state_id((enum status_state)i), r.headline,
		    r.sentence, led_grammar(r.led)->rhythm);
	}
}

int cmd_states(const struct cli *cli)
{
	if (cli->words)
		words_table();
	else
		fsm_draw(&phone_fsm, stdout);
	return EXIT_DONE;
}
