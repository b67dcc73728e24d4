/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for nghttp2. A session asks for a buffer of 16 KB for the frame that it sends, and an idle
 * one has no use for most of it: what is that large comes in pages of its own, which take no memory
 * before they are touched. The rest is base/mem.h's. Any thread.
 */
#ifndef CF_HTTP_HTTP2_MEM_H
#define CF_HTTP_HTTP2_MEM_H

#include <nghttp2/nghttp2.h>

/* From this size on, in bytes. */
#define CF_HTTP2_MEM_LARGE 8192

extern const nghttp2_mem cf_http2_mem;

#endif
