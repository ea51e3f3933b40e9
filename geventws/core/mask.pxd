# C types for mask.py; nothing here may change what that file says.
import cython

from geventws.core cimport growing

cdef Py_ssize_t BLOCK
cdef bint _LOOPS

cpdef bytes mask(data, bytes key, Py_ssize_t start, Py_ssize_t end)

@cython.locals(
    source="const unsigned char *", keys="const unsigned char *", part=bytes,
    target="unsigned char *", repeated=bytes, block=Py_ssize_t, at=Py_ssize_t, index=Py_ssize_t,
)
cdef bytes _xor(data, bytes key, Py_ssize_t start, Py_ssize_t size)

cpdef bytes rotate(bytes key, Py_ssize_t by)
