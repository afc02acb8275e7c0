import java.net.ProxySelector;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;

/** Asks with Java's own client, whose proxy and whose key store are in the system's properties. */
class WithJava {
    public static void main(String[] arguments) throws Exception {
        var version = arguments[0].equals("HTTP/2") ? HttpClient.Version.HTTP_2 : HttpClient.Version.HTTP_1_1;
        var client = HttpClient.newBuilder().proxy(ProxySelector.getDefault()).version(version).build();
        var request = HttpRequest.newBuilder(URI.create(arguments[1]));
        if (arguments.length > 2) {
            request.POST(BodyPublishers.ofFile(Path.of(arguments[2])));
        }
        var answer = client.send(request.build(), BodyHandlers.ofInputStream());
        System.out.println(answer.statusCode() + (answer.version() == HttpClient.Version.HTTP_2 ? " HTTP/2" : " HTTP/1.1"));
        try (var body = answer.body()) {
            body.transferTo(System.out);
        } finally {
            System.out.flush();
        }
    }
}
