/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/trace.h"

#include "base/mem.h"
#include "trace/picture.h"
#include "trace/words.h"

static int tell(const struct trace_call *call, enum cf_trace_form form, struct trace_out *out)
{
	struct story *story = story_new(call);

	if (!story)
		return CF_ENOMEM;
	if (form == CF_TRACE_WORDS)
		trace_words(out, story);
	else
		trace_picture(out, story, form != CF_TRACE_LADDER, form != CF_TRACE_NETWORK);
	out_say(out, "%c", 0);
	cf_free(story);
	return out->err;
}

int cf_trace_tell(const json_t *trace, enum cf_trace_form form, char **ret_text, size_t *ret_len)
{
	struct trace_call *call = trace_call_new(trace);
	struct trace_out out;
	int err;

	if (!call)
		return CF_ENOMEM;
	out_init(&out, CF_TRACE_OUT_MAX + 1);
	err = tell(call, form, &out);
	trace_call_free(call);
	if (err < 0) {
		cf_buf_done(&out.buf);
		return err;
	}
	*ret_len = out.buf.len - 1;
	*ret_text = (char *)out.buf.p; /* the buffer's memory is ours from here */
	return 0;
}
