# C types for outgoing.py; nothing here may change what that file says.
import cython

from geventws cimport clock, kernel

cdef Py_ssize_t CORK, _CORKED, _GATHERED
cdef double _PATIENCE

cdef class Corks:
    cdef object __weakref__
    cdef double _since
    cdef bint _told
    cdef object _waiting
    cdef public Py_ssize_t crowd

    @cython.locals(now=double)
    cdef add(self, Outgoing outgoing)
    @cython.locals(each=Outgoing)
    cpdef forget(self)
    @cython.locals(each=Outgoing)
    cdef _uncork(self)

cdef class Outgoing:
    cdef bint _at_once
    cdef list _corked
    cdef Py_ssize_t _corked_size
    cdef Corks _corks
    cdef object _hub
    cdef double _moved
    cdef object _out
    cdef object _out_io
    cdef bint _plain
    cdef bint _shut
    cdef object _socket
    cdef object _stream
    cdef bint _tls
    cdef object _writer
    cdef public bint closed
    cdef public object error
    cdef public object on_drained
    cdef public bint torn
    cdef public long long written

    @cython.locals(before="long long")
    cpdef write(self, list buffers, timeout=*, bint more=*)
    cpdef post(self, list buffers)
    cpdef long long unsent(self) except -1
    @cython.locals(data=bytes, size=Py_ssize_t, sent=Py_ssize_t)
    cdef _post(self, list buffers)
    cdef _keep_after(self, Py_ssize_t sent, list buffers)
    cdef bint _is_crowded(self) except -1
    cdef bint _may_cork(self) except -1
    @cython.locals(size=Py_ssize_t, data=bytes)
    cdef bint _cork(self, list buffers) except -1
    @cython.locals(corked=list, buffers=list, size=Py_ssize_t, sent=Py_ssize_t)
    cdef _uncork(self)
    cdef bint _withdraw(self, long long ahead, long long size) except -1
    @cython.locals(sent=Py_ssize_t)
    cdef Py_ssize_t _send(self, list buffers) except -1
    @cython.locals(sent=Py_ssize_t, taken=Py_ssize_t)
    cdef Py_ssize_t _send_each(self, list buffers) except -1
    cdef _lose(self, error)
    cdef _watch_writable(self)
    @cython.locals(target="long long", sent=Py_ssize_t)
    cdef _send_kept(self)
    cdef _wait_drained(self, timeout)
    cdef _timer(self, double seconds, call)
    cdef _shutdown(self)
