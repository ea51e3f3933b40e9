# C types for message.py; nothing here may change what that file says.
import cython

from geventws.core cimport growing
from geventws.core.deflate cimport Deflater, Inflater
from geventws.core.frame cimport Frame, frame_head
from geventws.core.mask cimport mask

# what codes.py says, as C has it
cdef int BINARY, CONTINUATION, TEXT
cdef Py_ssize_t _GATHER

cdef class MessageReader:
    cdef bytes _buffer
    cdef bint _compressed
    cdef long long _fragments
    cdef Py_ssize_t _held
    cdef Inflater _inflater
    cdef long long _max_fragments
    cdef long long _max_size
    cdef int _opcode
    cdef long long _size
    cdef bint _skip
    cdef bytes _tail
    cdef public long long bytes
    cdef public bint streaming

    cpdef add(self, Frame frame)
    cpdef bint arriving(self)
    cpdef take(self)
    cpdef forget(self)
    cpdef Py_ssize_t buffered(self)
    @cython.locals(payload=bytes)
    cdef _whole(self, Frame frame)
    cdef _hold(self, bytes data, long long more)
    @cython.locals(buffer=bytes, held=Py_ssize_t)
    cdef bytes _take_all(self)
    cdef _begin(self, Frame frame)
    cdef _count(self)
    @cython.locals(data=bytes, limit="long long")
    cdef _append(self, Frame frame)
    cdef _check_declared(self, long long more)
    cdef _too_big(self)
    @cython.locals(valid=Py_ssize_t, tail=bytes)
    cdef _validate(self, bytes data)
    @cython.locals(message=bytes, text=bint)
    cdef _finish(self)

cdef class Encoded:
    cdef dict _deflated
    cdef int _opcode
    cdef bytes _payload
    cdef public object message
    cdef public bytes plain
    cdef public Py_ssize_t size

    cpdef bytes deflated(self, Deflater deflater)

cdef class MessageWriter:
    cdef bint _masks
    cdef Deflater _deflater
    cdef Py_ssize_t _threshold
    cdef int _opcode
    cdef list _out
    cdef public long long messages
    cdef public long long bytes
    cdef public long long wire

    @cython.locals(opcode=int, payload=bytes)
    cpdef message(self, message)
    @cython.locals(opcode=int, payload=bytes, first=bint, rsv1=bint)
    cpdef fragment(self, data, bint fin)
    cpdef encoded(self, Encoded encoded)
    @cython.locals(size=Py_ssize_t, key=bytes, head=bytes)
    cpdef frame(self, int opcode, bytes payload, bint fin, bint rsv1)
    cpdef forget(self)
    cpdef bint pending(self)
    @cython.locals(out=list)
    cpdef list take(self)
    cdef _check_between(self)
    cdef _put(self, bytes data)

cpdef bytes payload_of(message)

cpdef int opcode_of(message)
