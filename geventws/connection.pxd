# C types for connection.py; nothing here may change what that file says.
from geventws.sending cimport Sending

cdef class Connection(Sending):
    cdef object __weakref__
    cdef public object _caretaker
    cdef public object _ending
    cdef public object _followers
    cdef public object _keepalive
    cdef public double _over_by
    cdef public object _parked
    cdef public object _reading
    cdef public double _since
    cdef public object _told
