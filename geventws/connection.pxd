# C types for connection.py; nothing here may change what that file says.
import cython

from geventws cimport clock
from geventws.core.protocol cimport Protocol
from geventws.sending cimport Sending

cdef int TURN
cdef double GRACE, _SHARE

cdef class Connection(Sending):
    cdef object __weakref__
    cdef public object _caretaker
    cdef public bint _ending
    cdef public object _followers
    cdef public object _keepalive
    cdef public double _over_by
    cdef public object _parked
    cdef public bint _reading
    cdef public tuple _resting
    cdef public double _since
    cdef public list _told
    cdef public long long _turn

    @cython.locals(protocol=Protocol)
    cdef _await(self, bint whole, timeout)
    cpdef _more(self, deadline, bint for_others)
    cpdef _take_in(self, bytes data)
    cdef _read_now(self)
    cpdef _tell(self)
    @cython.locals(protocol=Protocol)
    cdef _look_after(self)
    cpdef _ponged(self, bytes payload)
    cdef _breathe(self)
    @cython.locals(now=double, turn="long long")
    cdef bint _is_turn_over(self) except -1
    @cython.locals(protocol=Protocol)
    cdef _write(self)
    cpdef _end(self)
    cpdef park(self, driver)
    @cython.locals(protocol=Protocol)
    cpdef _rest(self)

cdef _left(deadline)
