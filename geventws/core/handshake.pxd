# C types for handshake.py; nothing here may change what that file says.
from geventws.core.headers cimport Headers

cdef class Request:
    cdef Headers _headers
    cdef tuple _line
    cdef public object head
    cdef public object remote_address

cdef class Response:
    cdef public object body
    cdef public Headers headers
    cdef public object status
