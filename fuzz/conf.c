/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration: any file, and its first line as --set; refusals say why in one line. */
#include "conf/conf.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void explained(int err, const struct cf_conf_error *error)
{
	if (err == CF_EINVAL && (!error->text[0] || strchr(error->text, '\n')))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cf_conf conf;
	struct cf_conf_error error = {""};
	char *text;

	if (cf_conf_init(&conf, size & 1) < 0)
		return 0;
	explained(cf_conf_parse(&conf, "f", (const char *)data, size, &error), &error);
	if (cf_conf_check(&conf, &error) < 0)
		explained(CF_EINVAL, &error);
	text = cf_strndup((const char *)data, size);
	if (text) {
		error.text[0] = 0;
		text[strcspn(text, "\n")] = 0;
		explained(cf_conf_set(&conf, text, &error), &error);
	}
	cf_free(text);
	cf_conf_done(&conf);
	return 0;
}
