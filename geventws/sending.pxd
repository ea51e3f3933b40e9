# C types for sending.py; nothing here may change what that file says.

cdef class Sending:
    cdef public object _backlog
    cdef public object _line
    cdef public object _options
    cdef public object _protocol
    cdef public object _side
    cdef public object _transport
    cdef public object _turn_taken
    cdef public object _unfinished
