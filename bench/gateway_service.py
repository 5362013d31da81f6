"""A function that does nothing, behind FastAPI; for bench/gateway.py.

    uvicorn gateway_service:app
"""

import fastapi

app = fastapi.FastAPI()


@app.get("/noop")
async def noop():
    return {"ok": True}
