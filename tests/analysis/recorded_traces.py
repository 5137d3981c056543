"""Stack traces as CPython 3.11, OpenJDK 17, Node 20 and Go print them, with the paths of a container."""

PYTHON = """\
Traceback (most recent call last):
  File "/usr/local/lib/python3.11/site-packages/starlette/routing.py", line 75, in app
    await response(scope, receive, send)
  File "/app/predictor/api.py", line 41, in predict
    return model.price(symbol)
           ^^^^^^^^^^^^^^^^^^^
  File "/app/predictor/model.py", line 88, in price
    return float(frame.iloc[-1])
           ^^^^^^^^^^^^^^^^^^^^^^
  File "/usr/local/lib/python3.11/site-packages/pandas/core/indexing.py", line 1103, in __getitem__
    raise IndexError("single positional indexer is out-of-bounds")
IndexError: single positional indexer is out-of-bounds"""

PYTHON_CAUSE = """\
Traceback (most recent call last):
  File "/app/predictor/store.py", line 12, in load
    return known["model"]
           ~~~~~^^^^^^^^^
KeyError: 'model'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/app/predictor/__main__.py", line 20, in <module>
    load({})
  File "/app/predictor/store.py", line 14, in load
    raise RuntimeError("cannot load model") from error
RuntimeError: cannot load model"""

PYTHON_DURING = """\
Traceback (most recent call last):
  File "/app/predictor/cache.py", line 16, in cached
    return self._known[key]
           ~~~~~~~~~~~^^^^^
KeyError: 'AAPL'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/predictor/cache.py", line 18, in cached
    return json.loads(text)
           ^^^^^^^^^^^^^^^^
  File "/usr/local/lib/python3.11/json/__init__.py", line 346, in loads
    return _default_decoder.decode(s)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^
json.decoder.JSONDecodeError: Expecting value: line 1 column 2 (char 1)"""

PYTHON_LIBRARIES = """\
Traceback (most recent call last):
  File "/usr/local/lib/python3.11/site-packages/urllib3/connection.py", line 203, in _new_conn
    sock = connection.create_connection(
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/usr/local/lib/python3.11/site-packages/urllib3/util/connection.py", line 73, in create_connection
    sock.connect(sa)
ConnectionRefusedError: [Errno 111] Connection refused

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/app/shop/ledger.py", line 33, in balance
    answer = session.get(url)
             ^^^^^^^^^^^^^^^^
  File "/usr/local/lib/python3.11/site-packages/requests/adapters.py", line 519, in send
    raise ConnectionError(e, request=request)
requests.exceptions.ConnectionError: HTTPConnectionPool(host='ledger', port=8080): Max retries exceeded"""

PYTHON_GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "/app/predictor/feed.py", line 20, in run
  |     asyncio.run(main())
  |   File "/usr/local/lib/python3.11/asyncio/runners.py", line 190, in run
  |     return runner.run(main)
  |            ^^^^^^^^^^^^^^^^
  |   File "/usr/local/lib/python3.11/asyncio/taskgroups.py", line 145, in __aexit__
  |     raise me from None
  | ExceptionGroup: unhandled errors in a TaskGroup (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/app/predictor/feed.py", line 4, in fetch
    |     raise ValueError(f"bad symbol {n}")
    | ValueError: bad symbol 1
    +---------------- 2 ----------------
    | Traceback (most recent call last):
    |   File "/app/predictor/feed.py", line 6, in other
    |     raise TypeError("x")
    | TypeError: x
    +------------------------------------"""

PYTHON_RECURSION = """\
Traceback (most recent call last):
  File "/app/deep.py", line 23, in <module>
    deeper(0)
  File "/app/deep.py", line 22, in deeper
    return deeper(n + 1)
           ^^^^^^^^^^^^^
  [Previous line repeated 996 more times]
RecursionError: maximum recursion depth exceeded"""

JAVA = """\
Exception in thread "main" java.lang.RuntimeException: cannot place order 17
\tat com.shop.Orders.place(Orders.java:6)
\tat com.shop.Orders.main(Orders.java:11)
Caused by: java.lang.NumberFormatException: For input string: "12x"
\tat java.base/java.lang.NumberFormatException.forInputString(NumberFormatException.java:67)
\tat java.base/java.lang.Integer.parseInt(Integer.java:668)
\tat com.shop.Orders.price(Orders.java:5)
\t... 2 more"""

JAVA_SUPPRESSED = """\
java.lang.UnsupportedOperationException: multi
line message
\tat com.shop.Orders.lambda$guarded$0(Orders.java:7)
\tat java.base/java.lang.Iterable.forEach(Iterable.java:75)
\tat com.shop.Orders.guarded(Orders.java:7)
\tSuppressed: java.lang.IllegalStateException: close failed
\t\tat com.shop.Orders$Res.close(Orders.java:4)
\t\t... 2 more"""

JAVA_SPRING = """\
org.springframework.dao.DataAccessResourceFailureException: Unable to acquire JDBC Connection
\tat org.springframework.orm.jpa.vendor.HibernateJpaDialect.convert(HibernateJpaDialect.java:277) ~[orm.jar:6.1]
\tat jdk.internal.reflect.GeneratedMethodAccessor52.invoke(Unknown Source) ~[?:?]
\tat com.shop.stock.StockService$$SpringCGLIB$$0.reserve(<generated>) ~[classes/:?]
\tat com.shop.stock.StockService.reserve(StockService.java:58) ~[classes/:?]
Caused by: java.sql.SQLTransientConnectionException: HikariPool-1 - Connection is not available, timed out after 30000ms
\tat com.zaxxer.hikari.pool.HikariPool.createTimeoutException(HikariPool.java:696) ~[HikariCP-5.0.1.jar:?]
\tat com.zaxxer.hikari.pool.HikariPool.getConnection(HikariPool.java:197) ~[HikariCP-5.0.1.jar:?]
\t... 42 common frames omitted"""

GO = """\
panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x8 pc=0x6f1a2b]

goroutine 34 [running]:
github.com/acme/shop/cart.(*Store).Total(0x0)
\t/src/cart/store.go:71 +0x2b
main.(*server).checkout(0xc000114000, {0x7d5d80, 0xc0001560e0}, 0xc000148000)
\t/src/main.go:118 +0x5e
net/http.HandlerFunc.ServeHTTP(0x0?, {0x7d5d80?, 0xc0001560e0?}, 0x0?)
\t/usr/local/go/src/net/http/server.go:2136 +0x29
created by net/http.(*Server).Serve in goroutine 1
\t/usr/local/go/src/net/http/server.go:3086 +0x5cb

goroutine 1 [IO wait]:
internal/poll.runtime_pollWait(0x7f1c, 0x72)
\t/usr/local/go/src/runtime/netpoll.go:343 +0x85
exit status 2"""

GO_RECOVERED = """\
2026/03/01 12:00:00 http: panic serving 10.0.0.9:51234: index out of range [3] with length 2
goroutine 51 [running]:
net/http.(*conn).serve.func1()
\t/usr/local/go/src/net/http/server.go:1868 +0xb9
panic({0x6b9b20?, 0xc0000163d8?})
\t/usr/local/go/src/runtime/panic.go:920 +0x270
shop/prices.Last(...)
\tshop/prices/last.go:9
github.com/go-chi/chi/v5.(*Mux).routeHTTP(0xc00010a060)
\tgithub.com/go-chi/chi/v5@v5.0.10/mux.go:459 +0x1f5"""

NODE = """\
/app/server.js:7
    orders.size;
           ^

TypeError: Cannot read properties of undefined (reading 'size')
    at Timeout._onTimeout (/app/server.js:7:44)
    at listOnTimeout (node:internal/timers:581:17)
    at process.processTimers (node:internal/timers:519:7)

Node.js v20.20.2"""

NODE_CAUSE = """\
Error: cannot open store
    at open (/app/store.js:3:59)
    at Object.<anonymous> (/app/store.js:5:7)
    ... 5 lines matching cause stack trace ...
    at node:internal/main/run_main_module:28:49 {
  [cause]: Error: connect ECONNREFUSED 10.0.0.5:5432
      at Object.connect (/app/node_modules/pg/index.js:1:50)
      at open (/app/store.js:3:28)
      at Module._compile (node:internal/modules/cjs/loader:1521:14) {
    code: 'ECONNREFUSED',
    errno: -111
  }
}"""

NODE_MODULE = """\
TypeError: Cannot read properties of null (reading 'run')
    at file:///app/pool.mjs:1:54
    at async Promise.all (index 0)
    at async file:///app/pool.mjs:2:1"""
