# C types for transport.py; nothing here may change what that file says.
import cython

from geventws cimport clock, kernel
from geventws.outgoing cimport Corks, Outgoing

cdef Py_ssize_t _CHUNK
cdef double SHARE

cdef class Readers:
    cdef object __weakref__
    cdef object _due
    cdef bint _begun
    cdef Corks _corks

    cdef add(self, Transport transport)
    cpdef _take(self)
    @cython.locals(transport=Transport)
    cdef _next(self)
    cdef wait(self, hub)

cdef class Transport(Outgoing):
    cdef object __weakref__
    cdef object _io
    cdef bint _more
    cdef object _parked
    cdef object _reader
    cdef double _since
    cdef Readers _readers
    cdef bint _watching
    cdef public object local_address
    cdef public object on_neglect
    cdef public object peer_address

    @cython.locals(late=bint)
    cpdef bytes read(self, timeout=*)
    cpdef bytes read_now(self)
    cpdef park(self, ready)
    @cython.locals(data=bytes)
    cdef bytes _receive(self)
    @cython.locals(now=double)
    cdef bytes _receive_record(self)
    cdef _share(self)
    cdef bint _wait_readable(self, timeout) except -1
    cdef _watch_readable(self)
    cdef _unpark(self)
