# C types for mask.py; nothing here may change what that file says.
import cython

cdef Py_ssize_t BLOCK

cpdef bytes mask(data, bytes key, Py_ssize_t start, Py_ssize_t end)

@cython.locals(
    result=bytearray, source="const unsigned char *", target="unsigned char *",
    keys="const unsigned char *", block=Py_ssize_t, index=Py_ssize_t, masks=bytes,
)
cdef bytes _xor(data, bytes key, Py_ssize_t start, Py_ssize_t size)

cpdef bytes rotate(bytes key, Py_ssize_t by)
