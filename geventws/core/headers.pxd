# C types for headers.py; nothing here may change what that file says.
import cython

cdef class Headers:
    cdef tuple _items
    cdef public dict _values

cdef class HeadReader:
    cdef bytearray _buffer
    cdef Py_ssize_t _lines
    cdef Py_ssize_t _seen
    cdef Py_ssize_t _start

    cdef Py_ssize_t _plain_end(self)
    cdef Py_ssize_t _checked_end(self) except -2
    cdef Py_ssize_t _empty_line(self) except -2
    @cython.locals(available=Py_ssize_t)
    cdef Py_ssize_t _line_end(self) except -2
    cdef _too_long(self)

cpdef tuple parse_request_line(str line)
cpdef tuple split_target(str target)
cpdef list parse_token_list(value)
cpdef list parse_protocol_list(value)
cpdef list parse_extensions(value)
cdef list _elements(value)
cdef list _checked(list elements, match)
cdef tuple _parse_extension(str element)
cdef tuple _parse_parameter(str text)
cdef _token(str text)
cdef _unquote(str text)
