"""The server programs of ws4py's documentation, on port 9000; the changes are those of Python 3.

What else was changed: the imports, a host where '' stood, and for asyncio what its example had left
out: two imports.
"""

from __future__ import annotations

CHERRYPY = """
import cherrypy
from geventws.adapters.ws4py.server.cherrypyserver import WebSocketPlugin, WebSocketTool
from geventws.adapters.ws4py.websocket import EchoWebSocket

cherrypy.config.update({'server.socket_port': 9000})
WebSocketPlugin(cherrypy.engine).subscribe()
cherrypy.tools.websocket = WebSocketTool()

class Root(object):
    @cherrypy.expose
    def index(self):
        return 'some HTML with a websocket javascript connection'

    @cherrypy.expose
    def ws(self):
        # you can access the class instance through
        handler = cherrypy.request.ws_handler

cherrypy.quickstart(Root(), '/', config={'/ws': {'tools.websocket.on': True,
                                                 'tools.websocket.handler_cls': EchoWebSocket}})
"""

GEVENT = """
from gevent import monkey; monkey.patch_all()
from geventws.adapters.ws4py.websocket import EchoWebSocket
from geventws.adapters.ws4py.server.geventserver import WSGIServer
from geventws.adapters.ws4py.server.wsgiutils import WebSocketWSGIApplication

server = WSGIServer(('localhost', 9000), WebSocketWSGIApplication(handler_cls=EchoWebSocket))
server.serve_forever()
"""

WSGIREF = """
from wsgiref.simple_server import make_server
from geventws.adapters.ws4py.websocket import EchoWebSocket
from geventws.adapters.ws4py.server.wsgirefserver import WSGIServer, WebSocketWSGIRequestHandler
from geventws.adapters.ws4py.server.wsgiutils import WebSocketWSGIApplication

server = make_server('127.0.0.1', 9000, server_class=WSGIServer,
                     handler_class=WebSocketWSGIRequestHandler,
                     app=WebSocketWSGIApplication(handler_cls=EchoWebSocket))
server.initialize_websockets_manager()
server.serve_forever()
"""

ASYNCIO = """
import asyncio
from geventws.adapters.ws4py.server.tulipserver import WebSocketProtocol
from geventws.adapters.ws4py.async_websocket import EchoWebSocket

loop = asyncio.new_event_loop()

def start_server():
    proto_factory = lambda: WebSocketProtocol(EchoWebSocket)
    return loop.create_server(proto_factory, '127.0.0.1', 9000)

s = loop.run_until_complete(start_server())
print('serving on', s.sockets[0].getsockname())
loop.run_forever()
"""

SERVERS = {"cherrypy": CHERRYPY, "gevent": GEVENT, "wsgiref": WSGIREF, "asyncio": ASYNCIO}
