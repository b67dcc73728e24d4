/* SPDX-License-Identifier: Apache-2.0 */
#include "media/codec/opus.h"

#include "base/mem.h"

#include <opus/opus.h>
#include <string.h>

#define MIN_BITRATE 6000
#define MAX_BITRATE 128000
#define MAX_LOSS 100

struct cf_opus_encoder {
	OpusEncoder *enc;
	unsigned loss_percent; /* that the encoder expects now */
	unsigned floor_percent;
	bool resting; /* it is told that there is nothing to send (DTX) */
};

struct cf_opus_decoder {
	OpusDecoder *dec;
};

void cf_opus_opts_defaults(struct cf_opus_opts *opts)
{
	*opts = (struct cf_opus_opts){
		.bitrate_bps = 32000, .complexity = 5, .loss_percent = 5, .fec = true};
}

static int clamp(int v, int min, int max)
{
	if (v < min)
		return min;
	return v > max ? max : v;
}

static int configure(OpusEncoder *enc, const struct cf_opus_opts *o)
{
	int err = opus_encoder_ctl(
		enc, OPUS_SET_BITRATE(clamp(o->bitrate_bps, MIN_BITRATE, MAX_BITRATE)));

	if (err == OPUS_OK)
		err = opus_encoder_ctl(enc, OPUS_SET_COMPLEXITY(clamp(o->complexity, 0, 10)));
	if (err == OPUS_OK)
		err = opus_encoder_ctl(enc, OPUS_SET_INBAND_FEC(o->fec));
	if (err == OPUS_OK)
		err = opus_encoder_ctl(
			enc, OPUS_SET_PACKET_LOSS_PERC(clamp(o->loss_percent, 0, MAX_LOSS)));
	if (err == OPUS_OK)
		err = opus_encoder_ctl(enc, OPUS_SET_DTX(o->dtx));
	if (err == OPUS_OK)
		err = opus_encoder_ctl(enc, OPUS_SET_SIGNAL(OPUS_SIGNAL_VOICE));
	return err == OPUS_OK ? 0 : CF_EINVAL;
}

int cf_opus_encoder_new(struct cf_opus_encoder **ret_encoder, const struct cf_opus_opts *opts)
{
	struct cf_opus_encoder *encoder;
	struct cf_opus_opts defaults;
	int err;

	cf_opus_opts_defaults(&defaults);
	if (!opts)
		opts = &defaults;
	encoder = cf_alloc(sizeof(*encoder));
	/* Through our allocator, so that out-of-memory is tried too. */
	if (encoder)
		encoder->enc = cf_alloc((size_t)opus_encoder_get_size(1));
	if (!encoder || !encoder->enc) {
		cf_opus_encoder_free(encoder);
		return CF_ENOMEM;
	}
	err = opus_encoder_init(encoder->enc, CF_OPUS_RATE, 1, OPUS_APPLICATION_VOIP) == OPUS_OK
		      ? configure(encoder->enc, opts)
		      : CF_EINVAL;
	if (err) {
		cf_opus_encoder_free(encoder);
		return err;
	}
	encoder->floor_percent = (unsigned)clamp(opts->loss_percent, 0, MAX_LOSS);
	encoder->loss_percent = encoder->floor_percent;
	*ret_encoder = encoder;
	return 0;
}

struct cf_opus_encoder *cf_opus_encoder_free(struct cf_opus_encoder *encoder)
{
	if (encoder)
		cf_free(encoder->enc);
	return cf_free(encoder);
}

int cf_opus_encode(struct cf_opus_encoder *encoder, const int16_t pcm[static CF_OPUS_FRAME],
	uint8_t *packet, size_t cap)
{
	size_t room = cap < CF_OPUS_MAX_PACKET ? cap : CF_OPUS_MAX_PACKET;
	int n = opus_encode(encoder->enc, pcm, CF_OPUS_FRAME, packet, (opus_int32)room);

	if (n < 0)
		return n == OPUS_BUFFER_TOO_SMALL ? CF_ENOSPC : CF_EINVAL;
	if (n > 2) {
		encoder->resting = false;
		return n;
	}
	/* opus_encode(): two bytes or less need not be sent. The first ones are: they tell the
	 * decoder that a pause begins, so that it makes comfort noise. */
	if (encoder->resting)
		return 0;
	encoder->resting = true;
	return n;
}

void cf_opus_encoder_set_loss(struct cf_opus_encoder *encoder, unsigned percent)
{
	if (percent > MAX_LOSS)
		percent = MAX_LOSS;
	if (percent < encoder->floor_percent)
		percent = encoder->floor_percent;
	/* Up at once, down by a quarter of the way with each report. */
	if (percent < encoder->loss_percent)
		percent = encoder->loss_percent - (encoder->loss_percent - percent + 3) / 4;
	if (percent == encoder->loss_percent)
		return;
	encoder->loss_percent = percent;
	opus_encoder_ctl(encoder->enc, OPUS_SET_PACKET_LOSS_PERC((opus_int32)percent));
}

void cf_opus_encoder_set_dtx(struct cf_opus_encoder *encoder, bool dtx)
{
	opus_encoder_ctl(encoder->enc, OPUS_SET_DTX(dtx));
}

void cf_opus_encoder_set_bitrate(struct cf_opus_encoder *encoder, int bitrate_bps)
{
	opus_encoder_ctl(
		encoder->enc, OPUS_SET_BITRATE(clamp(bitrate_bps, MIN_BITRATE, MAX_BITRATE)));
}

void cf_opus_encoder_copy(struct cf_opus_encoder *encoder, const struct cf_opus_encoder *from)
{
	/* opus.h: the state is contiguous, a shallow copy is a copy. */
	memcpy(encoder->enc, from->enc, (size_t)opus_encoder_get_size(1));
	encoder->loss_percent = from->loss_percent;
	encoder->floor_percent = from->floor_percent;
	encoder->resting = from->resting;
}

int cf_opus_decoder_new(struct cf_opus_decoder **ret_decoder)
{
	struct cf_opus_decoder *decoder = cf_alloc(sizeof(*decoder));

	if (decoder)
		decoder->dec = cf_alloc((size_t)opus_decoder_get_size(1));
	if (!decoder || !decoder->dec) {
		cf_opus_decoder_free(decoder);
		return CF_ENOMEM;
	}
	if (opus_decoder_init(decoder->dec, CF_OPUS_RATE, 1) != OPUS_OK) {
		cf_opus_decoder_free(decoder);
		return CF_EINVAL;
	}
	*ret_decoder = decoder;
	return 0;
}

struct cf_opus_decoder *cf_opus_decoder_free(struct cf_opus_decoder *decoder)
{
	if (decoder)
		cf_free(decoder->dec);
	return cf_free(decoder);
}

void cf_opus_decoder_reset(struct cf_opus_decoder *decoder)
{
	opus_decoder_ctl(decoder->dec, OPUS_RESET_STATE);
}

int cf_opus_packet_samples(struct cf_view packet)
{
	int n = packet.len && packet.len <= INT32_MAX
			? opus_packet_get_nb_samples(packet.p, (opus_int32)packet.len, CF_OPUS_RATE)
			: OPUS_INVALID_PACKET;

	return n > 0 ? n : CF_EBADMSG;
}

int cf_opus_decode(struct cf_opus_decoder *decoder, struct cf_view packet, int16_t *pcm, size_t cap)
{
	int n = cf_opus_packet_samples(packet);

	if (n < 0)
		return n;
	if ((size_t)n > cap)
		return CF_ENOSPC;
	n = opus_decode(decoder->dec, packet.p, (opus_int32)packet.len, pcm, n, 0);
	return n > 0 ? n : CF_EBADMSG;
}

int cf_opus_decode_fec(
	struct cf_opus_decoder *decoder, struct cf_view next, int16_t pcm[static CF_OPUS_FRAME])
{
	int n;

	if (cf_opus_packet_samples(next) < 0)
		return CF_EBADMSG;
	n = opus_decode(decoder->dec, next.p, (opus_int32)next.len, pcm, CF_OPUS_FRAME, 1);
	return n == CF_OPUS_FRAME ? n : CF_EBADMSG;
}

int cf_opus_conceal(struct cf_opus_decoder *decoder, int16_t pcm[static CF_OPUS_FRAME])
{
	int n = opus_decode(decoder->dec, NULL, 0, pcm, CF_OPUS_FRAME, 0);

	return n == CF_OPUS_FRAME ? n : CF_EINVAL;
}
