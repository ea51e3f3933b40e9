"""The protocol: bytes in, bytes out; no sockets, no greenlets, no clock. In reading order:

codes      opcodes and close codes, and which of them may be sent            RFC 6455 5.2, 7.4
errors     every exception the library raises, in one tree
mask       XOR a payload with its masking key                                RFC 6455 5.3
frame      bytes <-> frames, and pieces of frames still arriving             RFC 6455 5.1, 5.2
headers    HTTP/1.1 heads and the grammar of their headers                   RFC 6455 4.3, 9.1
deflate    permessage-deflate: agree on it, then deflate and inflate         RFC 7692
message    frames <-> messages: fragments, inflating, UTF-8, limits          RFC 6455 5.4, 5.6, 8.1
handshake  the opening handshake, both sides                                 RFC 6455 4
protocol   messages <-> the conversation: pings, the closing handshake       RFC 6455 5.5, 6, 7

Each file imports the standard library and files above it in this list, nothing else; mask alone
also looks for wsaccel.
"""
