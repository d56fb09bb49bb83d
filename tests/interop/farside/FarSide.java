// A partner's service by Apache CXF and WSS4J: what comes is verified, and what is answered is signed, by their code
// alone. Contract and wsa:Action come from our WSDL, wsa:RelatesTo from CXF's own WS-Addressing.
//
//     FarSide FOLDER SCHEMAS PORT NAVET-PORT [changed | unable]
//
// FOLDER holds, for `arbetsgivare` and `navet`, `<name>-server.p12` and `<name>-sign.p12`, and for both `anchors.p12`.
// With `changed` whatever is answered is changed on its way out, after it was signed; with `unable` it cannot be signed.

import jakarta.xml.soap.MessageFactory;
import jakarta.xml.soap.SOAPMessage;
import jakarta.xml.ws.Provider;
import jakarta.xml.ws.Service;
import jakarta.xml.ws.ServiceMode;
import jakarta.xml.ws.WebServiceProvider;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FileInputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HexFormat;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.TrustManagerFactory;
import javax.xml.namespace.QName;
import javax.xml.parsers.DocumentBuilderFactory;
import org.apache.cxf.BusFactory;
import org.apache.cxf.configuration.jsse.TLSServerParameters;
import org.apache.cxf.configuration.security.ClientAuthentication;
import org.apache.cxf.interceptor.Fault;
import org.apache.cxf.jaxws.JaxWsServerFactoryBean;
import org.apache.cxf.message.Message;
import org.apache.cxf.phase.AbstractPhaseInterceptor;
import org.apache.cxf.phase.Phase;
import org.apache.cxf.transport.http_jetty.JettyHTTPServerEngineFactory;
import org.apache.cxf.ws.addressing.WSAddressingFeature;
import org.apache.cxf.ws.security.wss4j.DefaultCryptoCoverageChecker;
import org.apache.cxf.ws.security.wss4j.WSS4JInInterceptor;
import org.apache.cxf.ws.security.wss4j.WSS4JOutInterceptor;
import org.apache.wss4j.common.ConfigurationConstants;
import org.apache.xml.security.c14n.Canonicalizer;
import org.w3c.dom.Element;
import org.w3c.dom.Node;

public final class FarSide {
    private static final String PASSWORD = "farside";
    private static final String WSA = "http://www.w3.org/2005/08/addressing";
    private static final String WSU =
        "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
    private static final String SOAP = "http://schemas.xmlsoap.org/soap/envelope/";
    private static final String ECDSA = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256";
    private static final String RSA = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
    private static final String SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256";

    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]), schemas = Path.of(arguments[1]);
        String mode = arguments.length > 4 ? arguments[4] : "";
        serve(folder, "arbetsgivare", Integer.parseInt(arguments[2]), schemas.resolve("forsakringskassan"),
            "Avstamningsmote", "urn:forsakringskassan:utbyte:avstamningsmote:1:wsdl", new Employer(), mode);
        serve(folder, "navet", Integer.parseInt(arguments[3]), schemas.resolve("skatteverket"),
            "Personpost", "urn:forsakringskassan:utbyte:personpost:2", new Navet(), mode);
        System.out.println("ready");
        System.in.read();
        System.exit(0);
    }

    private static void serve(Path folder, String name, int port, Path schemas, String service, String namespace,
            Provider<SOAPMessage> provider, String mode) throws Exception {
        new JettyHTTPServerEngineFactory(BusFactory.getDefaultBus()).setTLSServerParametersForPort(port, tls(folder, name));
        JaxWsServerFactoryBean made = new JaxWsServerFactoryBean();
        made.setServiceBean(provider);
        made.setWsdlLocation(schemas.resolve(service.toLowerCase() + ".wsdl").toUri().toString());
        made.setServiceName(new QName(namespace, service));
        made.setEndpointName(new QName(namespace, service + "Soap11"));
        made.setAddress("https://localhost:" + port + "/mottagning/v1");
        made.getFeatures().add(new WSAddressingFeature());
        made.getInInterceptors().add(new WSS4JInInterceptor(verifying(folder)));
        DefaultCryptoCoverageChecker covered = new DefaultCryptoCoverageChecker();
        covered.setSignBody(true);
        covered.setSignTimestamp(true);
        covered.setSignAddressingHeaders(true);
        made.getInInterceptors().add(covered);
        made.getOutInterceptors().add(new WSS4JOutInterceptor(signing(folder, name, mode.equals("unable") ? "wrong" : PASSWORD)));
        if (mode.equals("changed")) {
            made.getOutInterceptors().add(new Changing());
        }
        made.create();
    }

    private static Map<String, Object> verifying(Path folder) {
        return Map.of(
            ConfigurationConstants.ACTION, "Timestamp Signature",
            ConfigurationConstants.SIG_VER_PROP_REF_ID, "verifying",
            "verifying", merlin("truststore.file", folder.resolve("anchors.p12"), "truststore."));
    }

    private static Map<String, Object> signing(Path folder, String name, String password) throws Exception {
        Path store = folder.resolve(name + "-sign.p12");
        boolean rsa = keys(store).getCertificate("key").getPublicKey().getAlgorithm().equals("RSA");
        Map<String, Object> made = new ConcurrentHashMap<>();
        made.put(ConfigurationConstants.ACTION, "Timestamp Signature");
        made.put(ConfigurationConstants.USER, "key");
        made.put(ConfigurationConstants.PW_CALLBACK_REF, (javax.security.auth.callback.CallbackHandler) all -> {
            for (var one : all) {
                ((org.apache.wss4j.common.ext.WSPasswordCallback) one).setPassword(password);
            }
        });
        made.put(ConfigurationConstants.SIG_PROP_REF_ID, "signing");
        made.put("signing", merlin("keystore.file", store, "keystore."));
        made.put(ConfigurationConstants.SIG_KEY_ID, "DirectReference");
        made.put(ConfigurationConstants.SIG_ALGO, rsa ? RSA : ECDSA);
        made.put(ConfigurationConstants.SIG_DIGEST_ALGO, SHA256);
        made.put(ConfigurationConstants.SIGNATURE_PARTS, "{}{" + SOAP + "}Body;{}{" + WSU + "}Timestamp");
        made.put(ConfigurationConstants.OPTIONAL_SIGNATURE_PARTS, "{}{" + WSA + "}Action;{}{" + WSA + "}MessageID;{}{"
            + WSA + "}To;{}{" + WSA + "}RelatesTo;{}{" + WSA + "}ReplyTo");
        return made;
    }

    private static Properties merlin(String file, Path store, String prefix) {
        Properties made = new Properties();
        String start = "org.apache.wss4j.crypto.merlin.";
        made.put("org.apache.wss4j.crypto.provider", "org.apache.wss4j.common.crypto.Merlin");
        made.put(start + file, store.toString());
        made.put(start + prefix + "type", "PKCS12");
        made.put(start + prefix + "password", PASSWORD);
        return made;
    }

    private static KeyStore keys(Path file) throws Exception {
        KeyStore made = KeyStore.getInstance("PKCS12");
        try (FileInputStream in = new FileInputStream(file.toFile())) {
            made.load(in, PASSWORD.toCharArray());
        }
        return made;
    }

    private static TLSServerParameters tls(Path folder, String name) throws Exception {
        KeyManagerFactory own = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        own.init(keys(folder.resolve(name + "-server.p12")), PASSWORD.toCharArray());
        TrustManagerFactory believed = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        believed.init(keys(folder.resolve("anchors.p12")));
        TLSServerParameters made = new TLSServerParameters();
        made.setKeyManagers(own.getKeyManagers());
        made.setTrustManagers(believed.getTrustManagers());
        ClientAuthentication asked = new ClientAuthentication();
        asked.setWant(true);
        asked.setRequired(true);
        made.setClientAuthentication(asked);
        return made;
    }

    private static Element inside(SOAPMessage message) throws Exception {
        Node child = message.getSOAPBody().getFirstChild();
        while (!(child instanceof Element)) {
            child = child.getNextSibling();
        }
        return (Element) child;
    }

    private static String header(SOAPMessage message, String name) throws Exception {
        return message.getSOAPHeader().getElementsByTagNameNS(WSA, name).item(0).getTextContent();
    }

    private static SOAPMessage answer(String payload) throws Exception {
        DocumentBuilderFactory reading = DocumentBuilderFactory.newInstance();
        reading.setNamespaceAware(true);
        SOAPMessage made = MessageFactory.newInstance().createMessage();
        made.getSOAPBody().addDocument(reading.newDocumentBuilder().parse(
            new ByteArrayInputStream(payload.getBytes(StandardCharsets.UTF_8))));
        return made;
    }

    private static String digest(Element payload) throws Exception {
        ByteArrayOutputStream exact = new ByteArrayOutputStream();
        Canonicalizer.getInstance(Canonicalizer.ALGO_ID_C14N_EXCL_OMIT_COMMENTS).canonicalizeSubtree(payload, exact);
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(exact.toByteArray()));
    }

    /** Takes a summons, once, and gives the same receipt however often it comes. */
    @WebServiceProvider
    @ServiceMode(Service.Mode.MESSAGE)
    public static final class Employer implements Provider<SOAPMessage> {
        private final Map<String, String> receipts = new ConcurrentHashMap<>();

        @Override
        public SOAPMessage invoke(SOAPMessage asked) {
            try {
                String id = header(asked, "MessageID"), digest = digest(inside(asked));
                boolean again = receipts.containsKey(id);
                String now = Instant.now().truncatedTo(ChronoUnit.MILLIS).toString();
                String receipt = receipts.computeIfAbsent(id, name ->
                    "<Receipt xmlns=\"urn:forsakringskassan:utbyte:receipt:1\"><MessageId>" + name + "</MessageId>"
                    + "<Digest algorithm=\"" + SHA256 + "\">" + digest + "</Digest>"
                    + "<Contract>forsakringskassan/avstamningsmote</Contract><ReceivedAt>" + now + "</ReceivedAt>"
                    + "<AcceptedAt>" + now + "</AcceptedAt><Decision>ACCEPTED</Decision><Outcomes>"
                    + "<Outcome position=\"1\" result=\"PERMIT\" code=\"OK\"/></Outcomes><Leaves/></Receipt>");
                System.out.println("arbetsgivare " + (again ? "again " : "processed ") + id + " " + digest);
                return answer(receipt);
            } catch (Exception error) {
                throw new RuntimeException(error);
            }
        }
    }

    /** Knows everybody. */
    @WebServiceProvider
    @ServiceMode(Service.Mode.MESSAGE)
    public static final class Navet implements Provider<SOAPMessage> {
        private static final String NA = "http://xmls.skatteverket.se/se/skatteverket/folkbokforing/na/epersondata/V1";

        @Override
        public SOAPMessage invoke(SOAPMessage asked) {
            try {
                String person = inside(asked).getElementsByTagNameNS(NA, "PersonId").item(0).getTextContent();
                System.out.println("navet processed " + header(asked, "MessageID") + " " + digest(inside(asked)));
                return answer(
                    "<n:PersonpostXMLResponse xmlns:n=\"" + NA + "\"><n:Folkbokforingsposter><Folkbokforingspost>"
                    + "<Sekretessmarkering>N</Sekretessmarkering><Arendeuppgift andringstidpunkt=\"20260101120000\"/>"
                    + "<Personpost><PersonId><PersonNr>" + person + "</PersonNr></PersonId><Namn><Fornamn>Kim</Fornamn>"
                    + "<Efternamn>Testsson</Efternamn></Namn><Folkbokforing><Folkbokforingsdatum>20200101"
                    + "</Folkbokforingsdatum><LanKod>01</LanKod><KommunKod>80</KommunKod></Folkbokforing><Adresser>"
                    + "<Folkbokforingsadress><Utdelningsadress2>Ekvägen 1</Utdelningsadress2><PostNr>11122</PostNr>"
                    + "<Postort>STOCKHOLM</Postort></Folkbokforingsadress></Adresser></Personpost>"
                    + "</Folkbokforingspost></n:Folkbokforingsposter></n:PersonpostXMLResponse>");
            } catch (Exception error) {
                throw new RuntimeException(error);
            }
        }
    }

    /** Changes the envelope after it was signed. */
    private static final class Changing extends AbstractPhaseInterceptor<Message> {
        Changing() {
            super(Phase.PRE_STREAM);
        }

        @Override
        public void handleMessage(Message message) throws Fault {
            OutputStream next = message.getContent(OutputStream.class);
            message.setContent(OutputStream.class, new FilterOutputStream(next) {
                private final ByteArrayOutputStream whole = new ByteArrayOutputStream();

                @Override
                public void write(int one) {
                    whole.write(one);
                }

                @Override
                public void write(byte[] some, int from, int count) {
                    whole.write(some, from, count);
                }

                @Override
                public void flush() {
                }

                @Override
                public void close() throws IOException {
                    next.write(whole.toString(StandardCharsets.UTF_8).replace("STOCKHOLM", "GÖTEBORG")
                        .replace("ACCEPTED<", "PARTIAL<").getBytes(StandardCharsets.UTF_8));
                    next.close();
                }
            });
        }
    }
}
