# C types for mask.py; nothing here may change what that file says.
import cython

from geventws.core cimport growing

cdef bint _LOOPS

cpdef bytes mask(data, bytes key, Py_ssize_t start, Py_ssize_t end, bytes before=*)

@cython.locals(
    source="const unsigned char *", keys="const unsigned char *", part=bytes,
    target="unsigned char *", first="unsigned char", second="unsigned char",
    third="unsigned char", fourth="unsigned char", front=Py_ssize_t, whole=Py_ssize_t,
    at=Py_ssize_t,
)
cdef bytes _xor(data, bytes key, Py_ssize_t start, Py_ssize_t size, bytes before)

cpdef bytes rotate(bytes key, Py_ssize_t by)
