# C types for turns.py; nothing here may change what that file says.
import cython

from geventws cimport clock

cdef int _SENT, _STRIDE
cdef double SHARE

cdef class Turns:
    cdef object _counts
    cdef double _since
    cdef object _turn
    cdef double _worked
    cdef public object slow_peers

    cpdef share(self, wait=*)
    @cython.locals(sent=list, outcome=int, number=Py_ssize_t)
    cpdef offer(self, broadcast, members, result, wait=*)
