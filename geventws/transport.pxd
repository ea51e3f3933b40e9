# C types for transport.py; nothing here may change what that file says.

cdef class Transport:
    cdef object __weakref__
    cdef object _hub
    cdef object _io
    cdef object _more
    cdef object _moved
    cdef object _out
    cdef object _out_io
    cdef object _parked
    cdef object _reader
    cdef bint _shut
    cdef double _since
    cdef object _socket
    cdef bint _tls
    cdef object _writer
    cdef public bint closed
    cdef public object error
    cdef public object local_address
    cdef public object on_drained
    cdef public object on_neglect
    cdef public object peer_address
    cdef public bint torn
    cdef public long long written
