"""Limits of what one request may hold, each defined here once. Bytes of a body are the setting `max_body_bytes`.

The largest value and the longest series id are limits of the stored data: see `data/schema.py`.
"""

# the head
MAX_HEAD_BYTES = 65_536  # as received, request line and headers
MAX_HEADERS = 64
MAX_HEADER_BYTES = 16_384  # names and values of all headers together
MAX_TARGET_BYTES = 8_192  # path and query string together
MAX_QUERY_PARAMETERS = 100
MAX_IDEMPOTENCY_KEY = 128  # characters

# forecasts and pages
MAX_SERIES = 1000  # of one page, and of one request for many forecasts
DEFAULT_PAGE_SERIES = 100
MAX_SPARKLINES = 200  # series of a page with the last values of each
MAX_SPARKLINE = 500  # of these values
MAX_ROWS = 10_000  # rows of a page of observations
DEFAULT_PAGE_ROWS = 1000
MAX_POINTS = 5_000  # bins of the past of a series
MAX_VINTAGES = 500  # earlier forecasts on a page
DEFAULT_PAGE_VINTAGES = 50
MAX_LEVELS = 32  # quantile or interval levels of one forecast
MAX_NETWORK_STEPS = 1000  # of the gates of one series
MAX_HORIZON = 2**31  # in a body, before the trained horizon is known

# continuations of symbols
MAX_SAMPLES = 64
MAX_STEPS = 10_000  # symbols of each
MAX_TEMPERATURE = 5.0
MAX_PRIME_BYTES = 2_048

# events
MAX_WATCHERS = 200  # streams that are open at once

# problem details
MAX_ERRORS = 20  # faults that one answer lists
MAX_PROBLEM_BYTES = 4_000
