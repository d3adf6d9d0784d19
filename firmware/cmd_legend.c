/* `legend` and `states`: printed from the one table of each. */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "led_pattern.h"
#include "outcome.h"
#include "phone_fsm.h"

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
static void svg_strip(const struct led_grammar *g, int x0, int y0)
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
	printf("L%.1f %dZ\" fill=\"url(#c%02x%02x%02x)\"/>\n", x, y0 + 18,
	    g->rgb[0], g->rgb[1], g->rgb[2]);
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

static void legend_svg(bool label)
{
	int width = LEFT_PX + TIME_PX + 420;
	int height = ROW_PX * LED_PATTERN_COUNT_ + 28;

	printf("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
	       "height=\"%d\" viewBox=\"0 0 %d %d\" font-family=\"system-ui, "
	       "sans-serif\" font-size=\"14\">\n",
	    width, height, width, height);
	printf("<title>What the light says</title>\n");
	printf("<rect width=\"%d\" height=\"%d\" rx=\"12\" fill=\"#1c1c1e\"%s/>"
	       "\n",
	    width, height,
	    label ? " stroke=\"#888\" stroke-dasharray=\"6 4\"" : "");
	svg_gradients();
	for (int i = 0; i < LED_PATTERN_COUNT_; i++) {
		const struct led_grammar *g = led_grammar((enum led_pattern)i);
		int y = 14 + ROW_PX * i;

		printf("<circle cx=\"24\" cy=\"%d\" r=\"7\" "
		       "fill=\"#%02x%02x%02x\"/>\n",
		    y + 11, g->rgb[0], g->rgb[1], g->rgb[2]);
		svg_strip(g, LEFT_PX, y + 2);
		printf("<text x=\"%d\" y=\"%d\" fill=\"#f2f2f7\">%s</text>\n",
		    LEFT_PX + TIME_PX + 18, y + 10, g->says);
		printf("<text x=\"%d\" y=\"%d\" fill=\"#98989f\" "
		       "font-size=\"11\">%s, %s</text>\n",
		    LEFT_PX + TIME_PX + 18, y + 24, g->rhythm, g->colour);
	}
	printf("</svg>\n");
}

int cmd_legend(const struct cli *cli)
{
	if (cli->svg || cli->label)
		legend_svg(cli->label);
	else
		legend_text();
	return EXIT_DONE;
}

int cmd_states(const struct cli *cli)
{
	(void)cli;
	fsm_draw(&phone_fsm, stdout);
	return EXIT_DONE;
}
