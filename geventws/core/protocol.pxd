# C types for protocol.py; nothing here may change what that file says.
import cython

from geventws.core.frame cimport Frame, FrameReader
from geventws.core.message cimport Encoded, MessageReader, MessageWriter

cdef int CLOSE, PING, PONG  # what codes.py says, as C has it
cdef int _TURN
cdef object _OPEN, _CLOSED

cdef class Protocol:
    cdef public object state
    cdef public int frames_this_turn
    cdef FrameReader _frames
    cdef readonly MessageReader _messages
    cdef object _ahead
    cdef Py_ssize_t _ahead_bytes
    cdef object _held
    cdef public bint eof
    cdef object _lost
    cdef public object pongs
    cdef public MessageWriter writer
    cdef object _answers
    cdef public bint close_sent
    cdef public bint close_received
    cdef public object close_code
    cdef public object close_reason
    cdef public object error
    cdef public long long messages_received
    cdef public long long wire_received
    cdef public long long pings_received

    cpdef receive_data(self, bytes data)
    @cython.locals(frame=Frame)
    cpdef next_message(self)
    cpdef next_piece(self)
    cpdef skip_message(self)
    cpdef read_ahead(self)
    cpdef keep_all(self)
    cpdef bint wants_data(self)
    cpdef Py_ssize_t buffered(self)
    cpdef Py_ssize_t queued(self)
    @cython.locals(frame=Frame, holds=bint)
    cdef bint _advance(self) except -1
    cdef bint _has_room(self) except -1
    cdef _let_go(self)
    cdef _next_ahead(self)
    cdef _keep(self, message)
    cdef _look_at(self, Frame frame)
    cdef _control(self, Frame frame)
    cpdef send_message(self, message)
    cpdef send_encoded(self, Encoded message)
    cpdef list data_to_send(self)
    cpdef bint has_data(self)
    cdef _check_open(self)
    cdef _send_pongs(self)
    cdef _send_close(self, bytes payload)
    cdef _end_of_stream(self)
    cdef _end(self, code, reason)
