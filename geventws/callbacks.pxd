# C types for callbacks.py; nothing here may change what that file says.
from geventws.attending cimport Attended

cdef int TURN

cdef class Callbacks(Attended):
    cdef public bint _closed_told
    cdef public bint _failed
    cdef public bint _opened_told
    cdef public list _pongs

    cpdef bint read_and_deliver(self) except -1
    cpdef bint deliver(self) except -1
    cpdef bint _deliver_next(self) except -1
    cdef _deliver_pongs(self)
    cdef _deliver_to(self, callback, argument)
    cpdef _call(self, callback, tuple args)
    cpdef _ponged(self, bytes payload)
