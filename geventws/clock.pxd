# C for the modules that call it; nothing here may change what clock.py says.
cimport cpython.time

cdef double _held

cdef inline double monotonic() except? -1.0:
    return cpython.time.monotonic() if _held < 0.0 else _held
