# C types for workers.py; nothing here may change what that file says.

cdef class Parking:
    cdef bint _busy
    cdef object _connection
    cdef object _transport
    cdef Workers _workers

    cdef _park(self)

cdef class Workers:
    cdef list _idle
    cdef Py_ssize_t _connections

    cpdef leave(self)
    cpdef run(self, parking)
