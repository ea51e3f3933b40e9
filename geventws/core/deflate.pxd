# C types for deflate.py; nothing here may change what that file says.
import cython

cdef class Inflater:
    cdef readonly object _context
    cdef Py_ssize_t _finals
    cdef Py_ssize_t _seen
    cdef bint _takeover
    cdef int _wbits
    cdef readonly Py_ssize_t _window
    cdef object _zlib

    cpdef bytes inflate(self, data, limit, bint fin, bint starts=*)
    cdef _begin(self)
    @cython.locals(window=Py_ssize_t)
    cdef bytes _read(self, inflater, data, Py_ssize_t limit)
    cdef bytes _go_on(self, data, Py_ssize_t limit)
    cdef _count_final(self, Py_ssize_t behind)
    cdef _finish(self)

cdef class Deflater:
    cdef bint _takeover
    cdef object _zlib
    cdef public tuple settings

    @cython.locals(out=bytes)
    cpdef bytes deflate(self, data, bint fin)
    cpdef bytes deflate_alone(self, data)
    cpdef reset(self)
