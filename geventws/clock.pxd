# C types for clock.py; nothing here may change what that file says.
cimport cpython.time as time

cdef double _held

cpdef double monotonic() except? -1.0
