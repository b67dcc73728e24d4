/* SPDX-License-Identifier: Apache-2.0 */
/* YUV4MPEG2 files of strangers: what is read once is read the same again after going back. */
#include "media/y4m.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_FRAMES 16

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static int read_all(struct cf_y4m_reader *reader, struct cf_picture *picture, int *ret_last)
{
	int frames = 0;

	do
		*ret_last = cf_y4m_read(reader, picture);
	while (*ret_last == 1 && ++frames < MAX_FRAMES);
	return frames;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static int fd = -1;
	static char path[64];
	char why[64];
	struct cf_y4m_reader *reader;
	struct cf_y4m_info info;
	struct cf_picture *picture;
	int err, first, last, again;

	if (fd < 0) {
		fd = memfd_create("y4m", MFD_CLOEXEC);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	if (ftruncate(fd, 0) < 0 || pwrite(fd, p, n, 0) != (ssize_t)n)
		abort();
	err = cf_y4m_open(&reader, path, &info, why, sizeof(why));
	if ((err == CF_EBADMSG) != (why[0] != '\0') || (err && err != CF_EBADMSG))
		abort();
	if (err)
		return 0;
	picture = cf_picture_new(info.width, info.height);
	if (!picture || !info.rate_num || !info.rate_den)
		abort();
	first = read_all(reader, picture, &last);
	if (cf_y4m_rewind(reader) != 0 || read_all(reader, picture, &again) != first ||
		again != last)
		abort();
	cf_picture_unref(picture);
	cf_y4m_close(reader);
	return 0;
}
