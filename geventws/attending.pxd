# C types for attending.py; nothing here may change what that file says.
from geventws.connection cimport Connection

cdef class Attended(Connection):
    pass
