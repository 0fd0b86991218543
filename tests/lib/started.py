# SPDX-License-Identifier: MIT
"""What a test started: programs that are stopped in reverse order, and each must end well."""


class Started:
    """What a test started; stopped in reverse order, and each must end well."""

    def __init__(self, scratch):
        self.scratch, self.programs = scratch, []

    def add(self, kind, **options):
        name = f"{kind.__name__.lower()}{len(self.programs)}"
        program = kind(scratch=self.scratch, name=name, **options)
        self.programs.append(program)
        return program.start()

    def stop(self):
        failures = []
        for program in reversed(self.programs):
            try:
                program.stop()
            except AssertionError as failure:
                failures.append(str(failure))
        assert not failures, "\n".join(failures)
