# C types for frame.py; nothing here may change what that file says.
import cython

from geventws.core.mask cimport mask, rotate

# what codes.py says, as C has it
cdef int BINARY, CLOSE, CONTINUATION, PONG, TEXT
cdef int _MAX_CONTROL
cdef list _pairs

@cython.freelist(8)
cdef class Frame:
    cdef public int opcode
    cdef public bytes payload
    cdef public bint fin
    cdef public bint rsv1
    cdef public bint starts
    cdef public long long left

cdef class FrameReader:
    cdef bint _masked
    cdef bint _compression
    cdef bytes _data
    cdef Py_ssize_t _pos
    cdef long long _left
    cdef bint _fin
    cdef bytes _key

    cpdef feed(self, bytes data)
    cpdef Py_ssize_t buffered(self)

    @cython.locals(
        data=bytes, view="const unsigned char *", pos=Py_ssize_t, have=Py_ssize_t, end=Py_ssize_t,
        first=int, second=int, length="long long", left="long long", width=int, payload=bytes,
        fin=bint,
    )
    cpdef Frame next_frame(self)

    @cython.locals(size=Py_ssize_t, payload=bytes, fin=bint)
    cdef Frame _next_piece(self)

    @cython.locals(data=bytes, view="const unsigned char *", payload=bytes)
    cdef bytes _payload(self, Py_ssize_t start, Py_ssize_t end)

    @cython.locals(opcode=int)
    cdef int _check(self, int first, int second) except -1

    @cython.locals(view="const unsigned char *", length="long long", index=Py_ssize_t)
    cdef long long _long_length(self, Py_ssize_t pos, int width) except -1

@cython.locals(frame=Frame)
cdef Frame _frame(int opcode, bytes payload, bint fin, bint rsv1, bint starts, long long left)

@cython.locals(first=int, masked=int, head=bytes)
cpdef bytes frame_head(int opcode, long long length, bint fin, bint rsv1, bytes key)

@cython.locals(row=list)
cdef bytes _pair(int first, int second)
