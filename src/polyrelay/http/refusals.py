"""Refusals that only HTTP itself knows."""

from polyrelay.kernel import errors


class ExpectationFailed(errors.ClientFault):
    """An `Expect` other than `100-continue` (RFC 9110 section 10.1.1)."""

    status = 417
    default_code = "expectation_failed"
