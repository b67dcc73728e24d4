# SPDX-License-Identifier: Apache-2.0
"""libcallflow.so for Python, as far as tests need it: what include/callflow/callflow.h says, and waiting."""
import array
import ctypes as c
import enum
import math
import threading

from daemon import PROGRAM

WAIT_S = 20
SILENCE = 30  # root mean square of 16-bit samples below which a frame is silence; test speech has about 2900


class Type(enum.IntEnum):
    SIGNED_IN, SIGNED_OUT, INCOMING, RINGING, CONNECTING, CONNECTED, PATH, DTMF, HOLD, INPUT_ENDED, ENDED, RECONNECTING, RECONNECTED = \
        range(13)


class Event(c.Structure):
    _fields_ = [("type", c.c_int), ("call_id", c.c_char_p), ("peer", c.c_char_p), ("peer_name", c.c_char_p),
                ("path", c.c_void_p), ("setup_ms", c.c_uint32), ("ice_ms", c.c_uint32), ("code", c.c_int),
                ("subcode", c.c_int), ("reason", c.c_char_p), ("completed", c.c_int), ("stats", c.c_void_p),
                ("digit", c.c_char), ("on", c.c_int), ("cause", c.c_char_p), ("gap_ms", c.c_uint32)]


EVENT_FN = c.CFUNCTYPE(None, c.POINTER(Event), c.c_void_p)
WRITE_FN = c.CFUNCTYPE(None, c.POINTER(c.c_int16), c.c_size_t, c.c_void_p)


class ClientOptions(c.Structure):
    _fields_ = [("endpoint", c.c_char_p), ("token", c.c_char_p), ("ca_file", c.c_char_p), ("display_name", c.c_char_p),
                ("on_event", EVENT_FN), ("arg", c.c_void_p)]


class AudioOptions(c.Structure):
    _fields_ = [("in_file", c.c_char_p), ("out_file", c.c_char_p), ("device", c.c_char_p), ("read", c.c_void_p),
                ("write", WRITE_FN), ("arg", c.c_void_p)]


class VideoOptions(c.Structure):
    _fields_ = [("in_file", c.c_char_p), ("out_file", c.c_char_p), ("codec", c.c_char_p), ("width", c.c_uint), ("height", c.c_uint),
                ("fps", c.c_uint), ("max_bitrate_bps", c.c_uint32), ("read", c.c_void_p), ("write", c.c_void_p), ("arg", c.c_void_p)]


class CallOptions(c.Structure):
    _fields_ = [("audio", AudioOptions), ("ice_transport", c.c_int), ("video", VideoOptions)]


lib = c.CDLL(str(PROGRAM.parent / "libcallflow.so"))
lib.callflow_client_new.argtypes = [c.POINTER(c.c_void_p), c.POINTER(ClientOptions)]
lib.callflow_client_free.argtypes = [c.c_void_p]
lib.callflow_client_free.restype = c.c_void_p
lib.callflow_call.argtypes = lib.callflow_accept.argtypes = [c.c_void_p, c.c_char_p, c.POINTER(CallOptions)]
lib.callflow_hangup.argtypes = [c.c_void_p, c.c_char_p]
for name in ("reject", "mute", "hold"):
    getattr(lib, f"callflow_{name}").argtypes = [c.c_void_p, c.c_char_p, c.c_int]
lib.callflow_dtmf.argtypes = [c.c_void_p, c.c_char_p, c.c_char_p]
lib.callflow_error_text.argtypes = [c.c_int]
lib.callflow_error_text.restype = c.c_char_p


class Client:
    """One signed-in device. It keeps its events, and how loud each frame was that it heard."""

    def __init__(self, endpoint, token, ca, name="x"):
        self.changed = threading.Condition()
        self.events, self.at, self.levels = [], 0, array.array("d")
        self.handle = c.c_void_p()
        # The library calls these: they have to live as long as it does.
        self.on_event_fn, self.write_fn = EVENT_FN(self.on_event), WRITE_FN(self.on_frame)
        options = ClientOptions(endpoint.encode(), token.encode(), ca.encode(), name.encode(), self.on_event_fn, None)
        self.must(lib.callflow_client_new(c.byref(self.handle), c.byref(options)))

    def on_event(self, event, _):
        event = event.contents
        with self.changed:
            self.events.append({"type": Type(event.type), "call": event.call_id, "peer": (event.peer or b"").decode(),
                                "code": event.code, "subcode": event.subcode, "reason": (event.reason or b"").decode(),
                                "completed": event.completed, "digit": event.digit.decode("latin-1"), "on": event.on})
            self.changed.notify_all()

    def on_frame(self, samples, n, _):
        frame = samples[:n]
        with self.changed:
            self.levels.append(math.sqrt(sum(s * s for s in frame[::8]) / (n // 8)))
            self.changed.notify_all()

    @staticmethod
    def must(err):
        assert err >= 0, lib.callflow_error_text(err).decode()

    def call_id(self):
        """Of its last call."""
        return next(event["call"] for event in reversed(self.events) if event["call"]).decode()

    def expect(self, kind, wait_s=WAIT_S):
        def there():
            while self.at < len(self.events):
                self.at += 1
                if self.events[self.at - 1]["type"] == kind:
                    return True
            return False
        with self.changed:
            assert self.changed.wait_for(there, wait_s), f"no {kind.name} in {wait_s} s: {self.events}"
            return self.events[self.at - 1]

    def expect_hold(self, on):
        assert self.expect(Type.HOLD)["on"] == on

    def hears(self, loud, frames=25, wait_s=WAIT_S):
        """Waits for that many frames from now on: in one go all silent, or together so many loud ones."""
        with self.changed:
            first = len(self.levels)

            def there():
                if loud:
                    return sum(level > 10 * SILENCE for level in self.levels[first:]) >= frames
                last = self.levels[first:][-frames:]
                return len(last) == frames and max(last) < SILENCE
            if not self.changed.wait_for(there, wait_s):
                got = [round(level) for level in self.levels[first:]][-50:]
                raise AssertionError(f"not {'loud' if loud else 'silent'} in {wait_s} s: {got}")

    def options(self, sound=None, transport=0):
        in_file = sound.encode() if sound else None
        return c.byref(CallOptions(AudioOptions(in_file, None, None, None, self.write_fn, None), transport))

    def call(self, target, sound=None, transport=0):
        self.must(lib.callflow_call(self.handle, target.encode(), self.options(sound, transport)))

    def accept(self, call_id, sound=None):
        self.must(lib.callflow_accept(self.handle, call_id, self.options(sound)))

    def reject(self, call_id, busy):
        self.must(lib.callflow_reject(self.handle, call_id, busy))

    def hangup(self):
        self.must(lib.callflow_hangup(self.handle, None))

    def mute(self, on):
        self.must(lib.callflow_mute(self.handle, None, on))

    def hold(self, on):
        self.must(lib.callflow_hold(self.handle, None, on))

    def dtmf(self, keys):
        return lib.callflow_dtmf(self.handle, None, keys.encode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        lib.callflow_client_free(self.handle)
