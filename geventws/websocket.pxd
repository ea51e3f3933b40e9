# C types for websocket.py; nothing here may change what that file says.
from geventws.callbacks cimport Callbacks

cdef class WebSocket(Callbacks):
    cdef public object _receiving
    cdef public object environ
    cdef public object extensions
    cdef public object request
    cdef public object state
    cdef public object subprotocol

    cpdef receive(self, timeout=*)
    cdef _receive(self, bint whole, timeout, iteration=*)
    cdef _in_turn(self, message, bint whole)
    cdef _send_whole(self, message)
    cdef _say_first(self)

cdef class _Messages:
    cdef WebSocket _ws

cdef class EchoWebSocket(WebSocket):
    pass
