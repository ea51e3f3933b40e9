# C types for callbacks.py; nothing here may change what that file says.
from geventws.attending cimport Attended

cdef class Callbacks(Attended):
    cdef public object _closed_told
    cdef public object _failed
    cdef public object _opened_told
    cdef public object _pongs
