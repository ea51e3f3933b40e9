# The C twin of kernel.py: what the same names mean in compiled modules.
#
# The descriptor is asked for each time: a number that was kept may be another socket's by now.
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_SetFromErrno
from libc.errno cimport EAGAIN, EINTR, errno
from libc.string cimport memset

cdef extern from "<sys/uio.h>" nogil:
    struct iovec:
        void *iov_base
        size_t iov_len

cdef extern from "<sys/socket.h>" nogil:
    struct msghdr:
        iovec *msg_iov
        size_t msg_iovlen

    ssize_t recv(int descriptor, void *target, size_t size, int flags)
    ssize_t send_bytes "send" (int descriptor, const void *source, size_t size, int flags)
    ssize_t sendmsg(int descriptor, const msghdr *message, int flags)

cdef extern from *:
    """
    enum { ROOM = 80 * 1024, GATHERED = 8, LARGE = 64 * 1024 };
    static char room[ROOM];  /* whoever uses it has the GIL, and is done before anybody else is */
    """
    enum: ROOM, GATHERED, LARGE
    char room[]

cdef inline bytes receive(stream, Py_ssize_t size):
    cdef int descriptor = stream.fileno()
    cdef ssize_t got
    while True:
        got = recv(descriptor, room, min(size, ROOM), 0)
        if got >= 0:
            return PyBytes_FromStringAndSize(room, got)
        if errno == EAGAIN:  # EWOULDBLOCK is the same number
            return None
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)

cdef inline Py_ssize_t send(stream, list buffers) except -1:
    cdef iovec parts[GATHERED]
    cdef msghdr message
    cdef size_t size = 0
    cdef Py_ssize_t index, count = len(buffers)
    cdef int descriptor = stream.fileno()
    cdef ssize_t sent
    if count > GATHERED:
        return _send_by_method(stream, buffers)
    for index in range(count):
        data = buffers[index]
        if type(data) is not bytes:
            return _send_by_method(stream, buffers)
        parts[index].iov_base = PyBytes_AS_STRING(data)
        parts[index].iov_len = PyBytes_GET_SIZE(data)
        size += parts[index].iov_len
    memset(&message, 0, sizeof(message))
    message.msg_iov = parts
    message.msg_iovlen = count
    while True:
        if size > LARGE:
            with nogil:
                sent = sendmsg(descriptor, &message, 0)
        elif count == 1:
            sent = send_bytes(descriptor, parts[0].iov_base, size, 0)
        else:
            sent = sendmsg(descriptor, &message, 0)
        if sent >= 0:
            return sent
        if errno == EAGAIN:
            return 0
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)

cdef inline Py_ssize_t _send_by_method(stream, list buffers) except -1:
    try:
        return stream.send(buffers[0]) if len(buffers) == 1 else stream.sendmsg(buffers)
    except BlockingIOError:
        return 0
