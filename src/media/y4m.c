/* SPDX-License-Identifier: Apache-2.0 */
#include "media/y4m.h"

#include "base/mem.h"
#include "base/view.h"
#include "media/file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MAGIC "YUV4MPEG2"
#define MAX_LINE 256
#define MAX_FILE_SIDE (CF_PICTURE_SIDE_MAX + 1u) /* an odd one is cut */
#define MAX_RATE 1000000000u
#define DEFAULT_RATE 30u

struct cf_y4m_reader {
	FILE *file;
	uint32_t width, height; /* of the file's frames */
	struct cf_y4m_info info;
	off_t first; /* where the first frame lies; -1 for a pipe */
};

/* The parameters of the first line, as they are read. */
struct header {
	uint64_t width, height, rate_num, rate_den;
	const char *wrong; /* what cannot be, or NULL */
};

/* Decimal digits at the front of text; 0 for none, or for a number too large. */
static uint64_t take_number(struct cf_view *text)
{
	uint64_t v = 0;

	for (; text->len && text->p[0] >= '0' && text->p[0] <= '9'; text->p++, text->len--)
		v = v > MAX_RATE ? v : v * 10 + (text->p[0] - '0');
	return v > MAX_RATE ? 0 : v;
}

static uint64_t whole_number(struct cf_view text)
{
	uint64_t v = take_number(&text);

	return text.len ? 0 : v;
}

static void take_rate(struct header *h, struct cf_view text)
{
	uint64_t num = take_number(&text), den = 0;

	if (text.len && text.p[0] == ':')
		den = whole_number(cf_view_of(text.p + 1, text.len - 1));
	/* 0:0 says that it is not known. */
	if (num && den) {
		h->rate_num = num;
		h->rate_den = den;
	} else if (num || den) {
		h->wrong = "a frame rate that is none";
	}
}

static bool is_420(struct cf_view colour)
{
	return cf_view_is(colour, "420") || cf_view_is(colour, "420jpeg") ||
	       cf_view_is(colour, "420mpeg2") || cf_view_is(colour, "420paldv");
}

static void take_parameter(struct header *h, uint8_t name, struct cf_view value)
{
	switch (name) {
	case 'W':
		h->width = whole_number(value);
		break;
	case 'H':
		h->height = whole_number(value);
		break;
	case 'F':
		take_rate(h, value);
		break;
	case 'I':
		if (!cf_view_is(value, "p") && !cf_view_is(value, "?"))
			h->wrong = "interlaced pictures";
		break;
	case 'C':
		if (!is_420(value))
			h->wrong = "colours other than 4:2:0 with 8 bits";
		break;
	default: /* aspect of the pixels, comments */
		break;
	}
}

static void check_header(struct header *h)
{
	if (h->wrong)
		return;
	if (!h->width || !h->height)
		h->wrong = "no width or height";
	else if (h->width < 2 || h->height < 2 || h->width > MAX_FILE_SIDE ||
		 h->height > MAX_FILE_SIDE)
		h->wrong = "a side below 2 or above 4096";
}

/* Splits the line at its spaces. */
static void parse_header(struct header *h, struct cf_view line)
{
	size_t magic = strlen(MAGIC);

	if (line.len < magic || memcmp(line.p, MAGIC, magic) != 0 ||
		(line.len > magic && line.p[magic] != ' ')) {
		h->wrong = "not a YUV4MPEG2 file";
		return;
	}
	for (size_t pos = magic; pos < line.len;) {
		size_t begin = ++pos;

		while (pos < line.len && line.p[pos] != ' ')
			pos++;
		if (pos > begin)
			take_parameter(
				h, line.p[begin], cf_view_of(line.p + begin + 1, pos - begin - 1));
	}
	check_header(h);
}

/* A line without its end: its length; CF_ENOTFOUND at the end of the file, CF_EBADMSG for one that
 * is cut or too long, CF_EIO. */
static int read_line(FILE *file, uint8_t line[static MAX_LINE])
{
	int n = 0, c;

	while ((c = getc(file)) != EOF && c != '\n') {
		if (n == MAX_LINE)
			return CF_EBADMSG;
		line[n++] = (uint8_t)c;
	}
	if (c == '\n')
		return n;
	if (ferror(file))
		return CF_EIO;
	return n ? CF_EBADMSG : CF_ENOTFOUND;
}

static int open_input(struct cf_y4m_reader *r, const char *path)
{
	struct stat st;

	r->file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rbe");
	if (!r->file)
		return cf_media_file_error(errno);
	if (fstat(fileno(r->file), &st) < 0)
		return CF_EIO;
	return S_ISDIR(st.st_mode) ? CF_EDENIED : 0;
}

static int read_header(struct cf_y4m_reader *r, const char **ret_wrong)
{
	struct header h = {.rate_num = DEFAULT_RATE, .rate_den = 1};
	uint8_t line[MAX_LINE];
	int n = read_line(r->file, line);

	if (n == CF_EIO)
		return n;
	parse_header(&h, cf_view_of(line, n < 0 ? 0 : (size_t)n));
	if (h.wrong) {
		*ret_wrong = h.wrong;
		return CF_EBADMSG;
	}
	r->width = (uint32_t)h.width;
	r->height = (uint32_t)h.height;
	r->info = (struct cf_y4m_info){.width = r->width & ~1u,
		.height = r->height & ~1u,
		.rate_num = (uint32_t)h.rate_num,
		.rate_den = (uint32_t)h.rate_den};
	r->first = ftello(r->file);
	return 0;
}

int cf_y4m_open(struct cf_y4m_reader **ret_reader, const char *path, struct cf_y4m_info *ret_info,
	char *why, size_t cap)
{
	struct cf_y4m_reader *r = cf_alloc(sizeof(*r));
	const char *wrong = "";
	int err = r ? open_input(r, path) : CF_ENOMEM;

	if (!err)
		err = read_header(r, &wrong);
	if (cap)
		snprintf(why, cap, "%s", wrong);
	if (err) {
		cf_y4m_close(r);
		return err;
	}
	*ret_info = r->info;
	*ret_reader = r;
	return 0;
}

/* Reads rows of file_w bytes, file_h of them; the picture's plane takes what it has room for. */
static bool read_plane(
	FILE *file, uint8_t *p, uint32_t stride, const uint32_t room[2], const uint32_t in[2])
{
	uint8_t rest[MAX_FILE_SIDE];

	for (uint32_t y = 0; y < in[1]; y++) {
		uint32_t keep = y < room[1] ? room[0] : 0;

		if (fread(p + (size_t)y * stride, 1, keep, file) != keep ||
			fread(rest, 1, in[0] - keep, file) != in[0] - keep)
			return false;
	}
	return true;
}

static bool read_planes(struct cf_y4m_reader *r, struct cf_picture *p)
{
	const uint32_t luma[2] = {p->width, p->height}, chroma[2] = {p->width / 2, p->height / 2};
	const uint32_t luma_in[2] = {r->width, r->height};
	const uint32_t chroma_in[2] = {(r->width + 1) / 2, (r->height + 1) / 2};

	return read_plane(r->file, p->y, p->stride_y, luma, luma_in) &&
	       read_plane(r->file, p->u, p->stride_uv, chroma, chroma_in) &&
	       read_plane(r->file, p->v, p->stride_uv, chroma, chroma_in);
}

int cf_y4m_read(struct cf_y4m_reader *reader, struct cf_picture *picture)
{
	uint8_t line[MAX_LINE];
	int n;

	if (picture->width != reader->info.width || picture->height != reader->info.height)
		return CF_EINVAL;
	n = read_line(reader->file, line);
	if (n == CF_ENOTFOUND)
		return 0;
	if (n < 0)
		return n;
	if (n < 5 || memcmp(line, "FRAME", 5) != 0 || (n > 5 && line[5] != ' '))
		return CF_EBADMSG;
	if (read_planes(reader, picture))
		return 1;
	return ferror(reader->file) ? CF_EIO : CF_EBADMSG;
}

int cf_y4m_rewind(struct cf_y4m_reader *reader)
{
	if (reader->first < 0 || fseeko(reader->file, reader->first, SEEK_SET) != 0)
		return CF_ESTATE;
	return 0;
}

struct cf_y4m_reader *cf_y4m_close(struct cf_y4m_reader *reader)
{
	if (reader && reader->file && reader->file != stdin)
		fclose(reader->file);
	return cf_free(reader);
}

struct cf_y4m_writer {
	FILE *file;
	struct cf_y4m_info info;
	struct cf_picture *scaled; /* made with the first picture of another size */
};

static bool info_ok(const struct cf_y4m_info *i)
{
	return i->width >= 2 && i->height >= 2 && i->width % 2 == 0 && i->height % 2 == 0 &&
	       i->width <= CF_PICTURE_SIDE_MAX && i->height <= CF_PICTURE_SIDE_MAX && i->rate_num &&
	       i->rate_den;
}

static int open_output(struct cf_y4m_writer *w, const char *path)
{
	w->file = strcmp(path, "-") == 0 ? stdout : fopen(path, "wbe");
	if (!w->file)
		return cf_media_file_error(errno);
	if (fprintf(w->file,
		    MAGIC " W%" PRIu32 " H%" PRIu32 " F%" PRIu32 ":%" PRIu32 " Ip A1:1 C420jpeg\n",
		    w->info.width, w->info.height, w->info.rate_num, w->info.rate_den) < 0 ||
		fflush(w->file) != 0)
		return CF_EIO;
	return 0;
}

int cf_y4m_create(
	struct cf_y4m_writer **ret_writer, const char *path, const struct cf_y4m_info *info)
{
	struct cf_y4m_writer *w;
	int err;

	if (!info_ok(info))
		return CF_EINVAL;
	w = cf_alloc(sizeof(*w));
	if (!w)
		return CF_ENOMEM;
	w->info = *info;
	err = open_output(w, path);
	if (err) {
		cf_y4m_finish(w);
		return err;
	}
	*ret_writer = w;
	return 0;
}

static bool write_plane(
	FILE *file, const uint8_t *p, uint32_t stride, uint32_t width, uint32_t height)
{
	for (uint32_t y = 0; y < height; y++)
		if (fwrite(p + (size_t)y * stride, 1, width, file) != width)
			return false;
	return true;
}

/* The picture in the file's size, or NULL without memory. */
static const struct cf_picture *fitting(struct cf_y4m_writer *w, const struct cf_picture *picture)
{
	if (picture->width == w->info.width && picture->height == w->info.height)
		return picture;
	if (!w->scaled)
		w->scaled = cf_picture_new(w->info.width, w->info.height);
	if (w->scaled)
		cf_picture_scale(w->scaled, picture);
	return w->scaled;
}

int cf_y4m_write(struct cf_y4m_writer *writer, const struct cf_picture *picture)
{
	const struct cf_picture *p = fitting(writer, picture);
	uint32_t width = writer->info.width, height = writer->info.height;

	if (!p)
		return CF_ENOMEM;
	if (fputs("FRAME\n", writer->file) == EOF ||
		!write_plane(writer->file, p->y, p->stride_y, width, height) ||
		!write_plane(writer->file, p->u, p->stride_uv, width / 2, height / 2) ||
		!write_plane(writer->file, p->v, p->stride_uv, width / 2, height / 2))
		return CF_EIO;
	return 0;
}

int cf_y4m_finish(struct cf_y4m_writer *writer)
{
	int err = 0;

	if (!writer)
		return 0;
	if (writer->file && (fflush(writer->file) != 0 || ferror(writer->file)))
		err = CF_EIO;
	if (writer->file && writer->file != stdout && fclose(writer->file) != 0)
		err = CF_EIO;
	cf_picture_unref(writer->scaled);
	cf_free(writer);
	return err;
}
