# SPDX-License-Identifier: Apache-2.0
"""Says what passed and what failed, as it happens, and counts: the last line is `N passed, N failed`."""
import threading


class Report:
    def __init__(self, quiet=False):
        self.passed = self.failed = 0
        self.quiet = quiet
        self.lock = threading.Lock()  # labs side by side report from their threads

    def check(self, name, ok, detail=""):
        with self.lock:
            if ok:
                self.passed += 1
            else:
                self.failed += 1
            if not ok or not self.quiet:
                print(f"{'ok  ' if ok else 'FAIL'} {name}{'' if ok or not detail else f' ({detail})'}", flush=True)
        return bool(ok)

    def end(self):
        """Prints the count; gives the exit status."""
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed or not self.passed else 0
